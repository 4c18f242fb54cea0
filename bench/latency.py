"""From a chunk that is sent to its audio in the recording, per format, at real time.

What a chunk's last codec frame decodes to is known from decoding the stream up to there.
The delay counts until the growing WAV on the volume is that long. The first chunk of a
stream waits for ffmpeg to start and is shown by itself.
"""

import asyncio
import itertools
import json
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from api.audio.ffmpeg.command import binary
from bench.material import MATERIALS, Material
from bench.servers import server
from bench.websocket_load import LoadClient, binary_frame, text_frame
from storage.wav import HEADER_BYTES

_SECONDS = 10
_POLL_SECONDS = 0.001
_ALLOWED_SECONDS = 0.05  # beside one codec frame
# What is held back until more input comes has this long to appear, or was never measured.
_LAST_SECONDS = 1.5
_CLOSE = text_frame('{"type": "control", "action": "close_session"}')


class Piece(NamedTuple):
    data: bytes
    pcm_bytes: int  # in the recording when all of it is decoded


def main(seconds: int = _SECONDS) -> None:
    asyncio.run(_main(seconds))


async def _main(seconds: int) -> None:
    print(f"{binary()}, {seconds} s at real time; delays in ms, until the PCM is in the file")
    print(f"{'format':26}{'frame':>6}{'chunk':>6}{'first':>7}{'median':>8}{'max':>8}  within")
    with (
        tempfile.TemporaryDirectory(dir=".") as folder,
        server("-m", "api.cli", "serve", "--port", "0", environ={"AUDIO_STORAGE_PATH": folder}) as (
            port,
            _,
        ),
    ):
        for material in MATERIALS:
            pieces = await asyncio.to_thread(_pieces, material, seconds)
            _print(material, pieces, await _delays(port, Path(folder), material, pieces))
    print("within: at most one codec frame + 50 ms, but for the first chunk")
    print("held back by the format itself:")
    for material in MATERIALS:
        print(f"  {material.name:26}{material.held_back}")


def _pieces(material: Material, seconds: int) -> list[Piece]:
    """The stream in pieces. Decodes it up to the end of each, two at a time."""
    data = material.pieces(material.encoded(seconds))
    prefixes = list(itertools.accumulate(data))
    with ThreadPoolExecutor(2) as executor:
        pcm_bytes = [len(pcm) for pcm in executor.map(material.decoded, prefixes)]
    return [Piece(*piece) for piece in zip(data, pcm_bytes, strict=True)]


async def _delays(
    port: int, folder: Path, material: Material, pieces: list[Piece]
) -> list[float | None]:
    """Seconds per piece; None where its audio came only with the end of the stream."""
    client = await LoadClient.connect(port, f"/api/ws/audio?{material.query}")
    session_id = json.loads(await client.receive())["session_id"]
    sent: list[float] = []
    arrived: list[float] = []
    watching = asyncio.create_task(_watch(folder / f"{session_id}.wav", pieces, arrived))
    began = time.perf_counter()
    for piece in pieces:
        # An encoder has a chunk when its audio has been heard.
        await _until(began + piece.pcm_bytes / 2 / material.sample_rate)
        sent.append(time.perf_counter())
        answer = json.loads(await client.exchange(binary_frame(piece.data)))
        assert answer["type"] == "chunk", answer
    await asyncio.wait([watching], timeout=_LAST_SECONDS)
    watching.cancel()
    await client.exchange(_CLOSE)
    client.close()
    delays = [end - start for start, end in zip(sent, arrived, strict=False)]
    return [*delays, *[None] * (len(pieces) - len(delays))]


async def _watch(path: Path, pieces: list[Piece], arrived: list[float]) -> None:
    """Note when the recording reaches the end of each piece, one after the other."""
    for piece in pieces:
        # A file does not say that it grew, so it is asked again and again.
        while _audio_bytes(path) < piece.pcm_bytes:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)
        arrived.append(time.perf_counter())


def _audio_bytes(path: Path) -> int:
    return path.stat().st_size - HEADER_BYTES


async def _until(moment: float) -> None:
    await asyncio.sleep(max(0, moment - time.perf_counter()))


def _print(material: Material, pieces: list[Piece], delays: list[float | None]) -> None:
    first, *others = delays
    known = [delay for delay in others if delay is not None]
    pcm_bytes = (pieces[-1].pcm_bytes - pieces[0].pcm_bytes) / max(1, len(pieces) - 1)
    chunk_seconds = pcm_bytes / 2 / material.sample_rate
    limit = material.frame_seconds + _ALLOWED_SECONDS
    late = sum(delay > limit for delay in known)
    never = len(others) - len(known)
    verdict = f"NO: {late} of {len(known)} late" if late else "yes"
    if never:
        verdict += f"; the last {never} only at the end"
    print(
        f"{material.name:26}{material.frame_seconds * 1e3:6.1f}{chunk_seconds * 1e3:6.0f}"
        f"{_ms(first)}{_ms(statistics.median(known)):>8}{_ms(max(known)):>8}  {verdict}",
        flush=True,
    )


def _ms(seconds: float | None) -> str:
    return "      -" if seconds is None else f"{seconds * 1e3:7.1f}"
