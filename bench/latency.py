"""The delay from sending a chunk to its audio in the recording, per format, in real time.

Decoding the stream up to the end of a chunk gives the length of its PCM. The delay counts until
the growing WAV on the volume has that length. The first chunk of a stream waits for ffmpeg to
start and is shown by itself.
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
from bench.load_client import LoadClient, binary_frame, text_frame
from bench.server_process import run_service
from bench.stream_formats import STREAM_FORMATS, StreamFormat
from storage.wav import HEADER_BYTES

_SECONDS = 10
_POLL_SECONDS = 0.001
_MAX_DELAY_SECONDS = 0.05  # in addition to one codec frame
# The time that audio has to appear if the decoder holds it back until more input arrives.
_FINAL_WAIT_SECONDS = 1.5
_CLOSE_FRAME = text_frame('{"type": "control", "action": "close_session"}')


class StreamChunk(NamedTuple):
    data: bytes
    pcm_bytes: int  # in the recording when all of it is decoded


def main(seconds: int = _SECONDS) -> None:
    asyncio.run(_main(seconds))


async def _main(seconds: int) -> None:
    print(f"{binary()}, {seconds} s at real time; delays in ms, until the PCM is in the file")
    print(f"{'format':26}{'frame':>6}{'chunk':>6}{'first':>7}{'median':>8}{'max':>8}  within")
    with (
        tempfile.TemporaryDirectory(dir=".") as folder,
        run_service({"AUDIO_STORAGE_PATH": folder}) as (
            port,
            _,
        ),
    ):
        for stream_format in STREAM_FORMATS:
            chunks = await asyncio.to_thread(_stream_chunks, stream_format, seconds)
            _print(stream_format, chunks, await _delays(port, Path(folder), stream_format, chunks))
    print("within: at most one codec frame + 50 ms, except for the first chunk")
    print("delay of the format itself:")
    for stream_format in STREAM_FORMATS:
        print(f"  {stream_format.name:26}{stream_format.latency_note}")


def _stream_chunks(stream_format: StreamFormat, seconds: int) -> list[StreamChunk]:
    """Cut the stream into chunks; decode it up to the end of each one, two at a time."""
    data = stream_format.cut_live(stream_format.encode(seconds))
    prefixes = list(itertools.accumulate(data))
    with ThreadPoolExecutor(2) as executor:
        pcm_bytes = [len(pcm) for pcm in executor.map(stream_format.decode, prefixes)]
    return [StreamChunk(*chunk) for chunk in zip(data, pcm_bytes, strict=True)]


async def _delays(
    port: int, folder: Path, stream_format: StreamFormat, chunks: list[StreamChunk]
) -> list[float | None]:
    """Return the seconds per chunk; None if its audio came only with the end of the stream."""
    client = await LoadClient.connect(port, f"/api/ws/audio?{stream_format.query}")
    session_id = json.loads(await client.receive())["session_id"]
    sent: list[float] = []
    arrived: list[float] = []
    watch_task = asyncio.create_task(
        _record_arrivals(folder / f"{session_id}.wav", chunks, arrived)
    )
    began = time.perf_counter()
    for chunk in chunks:
        # A live encoder has a chunk only after its audio.
        await _sleep_until(began + chunk.pcm_bytes / 2 / stream_format.sample_rate)
        sent.append(time.perf_counter())
        answer = json.loads(await client.exchange(binary_frame(chunk.data)))
        assert answer["type"] == "chunk", answer
    await asyncio.wait([watch_task], timeout=_FINAL_WAIT_SECONDS)
    watch_task.cancel()
    await client.exchange(_CLOSE_FRAME)
    client.close()
    delays = [end - start for start, end in zip(sent, arrived, strict=False)]
    return [*delays, *[None] * (len(chunks) - len(delays))]


async def _record_arrivals(path: Path, chunks: list[StreamChunk], arrived: list[float]) -> None:
    """Append the time at which the recording reaches the end of each chunk."""
    for chunk in chunks:
        # Polling: inotify would cost more than the delay that is measured.
        while _audio_bytes(path) < chunk.pcm_bytes:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)
        arrived.append(time.perf_counter())


def _audio_bytes(path: Path) -> int:
    return path.stat().st_size - HEADER_BYTES


async def _sleep_until(moment: float) -> None:
    await asyncio.sleep(max(0, moment - time.perf_counter()))


def _print(
    stream_format: StreamFormat, chunks: list[StreamChunk], delays: list[float | None]
) -> None:
    first, *others = delays
    known = [delay for delay in others if delay is not None]
    pcm_bytes = (chunks[-1].pcm_bytes - chunks[0].pcm_bytes) / max(1, len(chunks) - 1)
    chunk_seconds = pcm_bytes / 2 / stream_format.sample_rate
    limit = stream_format.frame_seconds + _MAX_DELAY_SECONDS
    late = sum(delay > limit for delay in known)
    never = len(others) - len(known)
    verdict = f"NO: {late} of {len(known)} late" if late else "yes"
    if never:
        verdict += f"; the last {never} only at the end"
    print(
        f"{stream_format.name:26}{stream_format.frame_seconds * 1e3:6.1f}{chunk_seconds * 1e3:6.0f}"
        f"{_ms(first)}{_ms(statistics.median(known)):>8}{_ms(max(known)):>8}  {verdict}",
        flush=True,
    )


def _ms(seconds: float | None) -> str:
    return "      -" if seconds is None else f"{seconds * 1e3:7.1f}"
