"""What decoding costs, per format: the service beside what is written first and regretted later.

That is pydub decoding everything received so far at every chunk. Its cost per second
grows with the length; the service's does not. The service gets pieces of 250 ms at ten
times real time, so that every piece is worked on by itself, as it is live; a stream of
two seconds beside a long one tells what starting ffmpeg costs.
"""

import asyncio
import io
import json
import math
import resource
import shutil
import tempfile
import time
from typing import Any, NamedTuple

import psutil
from pydub import AudioSegment
from pydub.exceptions import CouldntDecodeError

from api.audio.ffmpeg.command import binary
from bench.material import MATERIALS, Material
from bench.servers import cpu_nanoseconds, server
from bench.websocket_load import LoadClient, binary_frame, text_frame
from tests.audio import cut

_SECONDS = 30
_SHORT_SECONDS = 2
_SESSIONS = 6
_PIECE_SECONDS = 0.25
_TIMES_REAL_TIME = 10
_IDLE_SECONDS = 3
_CLOSE = text_frame('{"type": "control", "action": "close_session"}')


class Cost(NamedTuple):
    """Of one stream: server and ffmpeg together; what ffmpeg has for itself."""

    cpu_seconds: float
    ffmpeg_bytes: int


def main(seconds: int = _SECONDS) -> None:
    asyncio.run(_main(seconds))


async def _main(seconds: int) -> None:
    pydub_works = shutil.which("ffprobe") is not None
    naive = "pydub" if pydub_works else "ffmpeg"
    print(f"{binary()}; {_SESSIONS} streams of {seconds} s at once, {_TIMES_REAL_TIME}x real time")
    if not pydub_works:
        print(
            "There is no ffprobe here, without which pydub decodes nothing but WAV: the naive"
            " way is one ffmpeg per chunk that decodes all so far, which is what pydub runs."
        )
    print(
        f"\n| format | CPU-ms per second of audio | CPU-ms to start | MB of its own, ffmpeg"
        f" | CPU-ms per second, {naive} over {seconds} s | times as much |"
        "\n|---|---|---|---|---|---|"
    )
    with (
        tempfile.TemporaryDirectory(dir=".") as folder,
        server("-m", "api.cli", "serve", "--port", "0", environ={"AUDIO_STORAGE_PATH": folder}) as (
            port,
            process,
        ),
    ):
        idle_cores = await _idle_cores(process)
        for material in MATERIALS:
            short = await _serve(port, process, material, _SHORT_SECONDS, idle_cores)
            long = await _serve(port, process, material, seconds, idle_cores)
            per_second = (long.cpu_seconds - short.cpu_seconds) / (seconds - _SHORT_SECONDS)
            start_seconds = short.cpu_seconds - _SHORT_SECONDS * per_second
            naive_seconds, failed = await asyncio.to_thread(
                _decode_all_so_far, material, seconds, with_pydub=pydub_works
            )
            note = f" ({failed} of {seconds} failed)" if failed else ""
            print(
                f"| {material.name} | {per_second * 1e3:.1f} | {start_seconds * 1e3:.0f}"
                f" | {long.ffmpeg_bytes / 1e6:.1f} | {naive_seconds * 1e3 / seconds:.0f}{note}"
                f" | {naive_seconds / (long.cpu_seconds or 1):.0f} |",
                flush=True,
            )
        print(f"\nthe service itself, at the end: {process.memory_info().rss / 1e6:.0f} MB")


async def _serve(
    port: int, process: psutil.Process, material: Material, seconds: int, idle_cores: float
) -> Cost:
    """What one of several streams cost the service, start and close included."""
    stream = material.encoded(seconds)
    pieces = seconds / _PIECE_SECONDS
    frames = [binary_frame(piece) for piece in cut(stream, math.ceil(len(stream) / pieces))]
    interval_seconds = _PIECE_SECONDS / _TIMES_REAL_TIME
    began, before = time.perf_counter(), _cpu_seconds(process)

    async def send(number: int) -> LoadClient:
        due = began + interval_seconds * number / _SESSIONS
        client = await LoadClient.connect(port, f"/api/ws/audio?{material.query}")
        await client.receive()
        for frame in frames:
            await asyncio.sleep(max(0, due - time.perf_counter()))
            answer = json.loads(await client.exchange(frame))
            assert answer["type"] == "chunk", answer
            due += interval_seconds
        return client

    clients = await asyncio.gather(*map(send, range(_SESSIONS)))
    ffmpeg_bytes = sum(child.memory_full_info().uss for child in process.children())
    # Closing waits for ffmpeg, whose CPU time is its parent's from then on.
    await asyncio.gather(*(client.exchange(_CLOSE) for client in clients))
    for client in clients:
        client.close()
    idle_seconds = idle_cores * (time.perf_counter() - began)
    cpu_seconds = _cpu_seconds(process) - before - idle_seconds
    return Cost(cpu_seconds / _SESSIONS, ffmpeg_bytes // _SESSIONS)


async def _idle_cores(process: psutil.Process) -> float:
    before = cpu_nanoseconds(process.pid)
    await asyncio.sleep(_IDLE_SECONDS)
    return (cpu_nanoseconds(process.pid) - before) / 1e9 / _IDLE_SECONDS


def _cpu_seconds(process: psutil.Process) -> float:
    """The server's own, and that of every ffmpeg that has ended."""
    return float(sum(process.cpu_times()[:4]))


def _decode_all_so_far(material: Material, seconds: int, *, with_pydub: bool) -> tuple[float, int]:
    """CPU of decoding the whole again at every chunk, and how many of these decodes failed."""
    stream = material.encoded(seconds)
    before, failed = _own_cpu_seconds(), 0
    for second in range(1, seconds + 1):
        so_far = stream[: len(stream) * second // seconds]
        if not with_pydub:
            failed += not material.decoded(so_far)
            continue
        try:
            AudioSegment.from_file(io.BytesIO(so_far), **_pydub_options(material))
        except (CouldntDecodeError, LookupError):  # pydub asks for a stream that is not there
            failed += 1
    return _own_cpu_seconds() - before, failed


def _pydub_options(material: Material) -> dict[str, Any]:
    if material.demuxer == "s16le":
        return {
            "format": "raw", "sample_width": 2, "frame_rate": material.sample_rate, "channels": 1,
        }  # fmt: skip
    # Raw mu-law is taken for one of another rate, which costs the same.
    return {"format": material.demuxer} if material.is_raw else {}


def _own_cpu_seconds() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
