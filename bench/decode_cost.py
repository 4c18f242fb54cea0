"""The CPU cost of decoding, per format, compared with a program without a live decoder.

That program decodes everything received so far with pydub at every chunk. Its cost per second
grows with the length; the service's does not. The service gets chunks of 250 ms at ten times
real time, so that it handles each chunk by itself, as with live audio. The difference between a
stream of two seconds and a long one gives the cost of starting ffmpeg.
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
from bench.load_client import LoadClient, binary_frame, text_frame
from bench.server_process import cpu_nanoseconds, run_service
from bench.stream_formats import STREAM_FORMATS, StreamFormat
from tests.audio import cut

_SECONDS = 30
_SHORT_SECONDS = 2
_SESSIONS = 6
_CHUNK_SECONDS = 0.25
_SPEED_FACTOR = 10
_IDLE_SECONDS = 3
_CLOSE_FRAME = text_frame('{"type": "control", "action": "close_session"}')


class Cost(NamedTuple):
    """The cost of one stream: CPU of server and ffmpeg, and ffmpeg's private memory."""

    cpu_seconds: float
    ffmpeg_bytes: int


def main(seconds: int = _SECONDS) -> None:
    asyncio.run(_main(seconds))


async def _main(seconds: int) -> None:
    has_ffprobe = shutil.which("ffprobe") is not None
    baseline = "pydub" if has_ffprobe else "ffmpeg"
    print(f"{binary()}; {_SESSIONS} streams of {seconds} s at once, {_SPEED_FACTOR}x real time")
    if not has_ffprobe:
        print(
            "ffprobe is not installed, and pydub needs it for all formats but WAV: the comparison"
            " runs one ffmpeg per chunk that decodes everything so far, as pydub does."
        )
    print(
        f"\n| format | CPU-ms per second of audio | CPU-ms to start | private MB of ffmpeg"
        f" | CPU-ms per second, {baseline} over {seconds} s | ratio |"
        "\n|---|---|---|---|---|---|"
    )
    with (
        tempfile.TemporaryDirectory(dir=".") as folder,
        run_service({"AUDIO_STORAGE_PATH": folder}) as (
            port,
            process,
        ),
    ):
        idle_cores = await _idle_cores(process)
        for stream_format in STREAM_FORMATS:
            short = await _measure_service(port, process, stream_format, _SHORT_SECONDS, idle_cores)
            long = await _measure_service(port, process, stream_format, seconds, idle_cores)
            per_second = (long.cpu_seconds - short.cpu_seconds) / (seconds - _SHORT_SECONDS)
            start_seconds = short.cpu_seconds - _SHORT_SECONDS * per_second
            baseline_seconds, failed = await asyncio.to_thread(
                _decode_everything_per_chunk, stream_format, seconds, with_pydub=has_ffprobe
            )
            note = f" ({failed} of {seconds} failed)" if failed else ""
            print(
                f"| {stream_format.name} | {per_second * 1e3:.1f} | {start_seconds * 1e3:.0f}"
                f" | {long.ffmpeg_bytes / 1e6:.1f} | {baseline_seconds * 1e3 / seconds:.0f}{note}"
                f" | {baseline_seconds / (long.cpu_seconds or 1):.0f} |",
                flush=True,
            )
        print(f"\nthe service itself, at the end: {process.memory_info().rss / 1e6:.0f} MB")


async def _measure_service(
    port: int, process: psutil.Process, stream_format: StreamFormat, seconds: int, idle_cores: float
) -> Cost:
    """Return the cost of one of several streams, including its start and close."""
    stream = stream_format.encode(seconds)
    chunk_count = seconds / _CHUNK_SECONDS
    frames = [binary_frame(piece) for piece in cut(stream, math.ceil(len(stream) / chunk_count))]
    interval_seconds = _CHUNK_SECONDS / _SPEED_FACTOR
    began, before = time.perf_counter(), _cpu_seconds(process)

    async def send(number: int) -> LoadClient:
        due = began + interval_seconds * number / _SESSIONS
        client = await LoadClient.connect(port, f"/api/ws/audio?{stream_format.query}")
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
    await asyncio.gather(*(client.exchange(_CLOSE_FRAME) for client in clients))
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
    """Return the CPU time of the server and of every ffmpeg that has ended."""
    return float(sum(process.cpu_times()[:4]))


def _decode_everything_per_chunk(
    stream_format: StreamFormat, seconds: int, *, with_pydub: bool
) -> tuple[float, int]:
    """Return the CPU seconds of decoding everything at every chunk, and the failed decodes."""
    stream = stream_format.encode(seconds)
    before, failed = _own_cpu_seconds(), 0
    for second in range(1, seconds + 1):
        so_far = stream[: len(stream) * second // seconds]
        if not with_pydub:
            failed += not stream_format.decode(so_far)
            continue
        try:
            AudioSegment.from_file(io.BytesIO(so_far), **_pydub_options(stream_format))
        except (CouldntDecodeError, LookupError):  # pydub requires a stream that does not exist yet
            failed += 1
    return _own_cpu_seconds() - before, failed


def _pydub_options(stream_format: StreamFormat) -> dict[str, Any]:
    if stream_format.demuxer == "s16le":
        return {
            "format": "raw",
            "sample_width": 2,
            "frame_rate": stream_format.sample_rate,
            "channels": 1,
        }
    # pydub reads raw mu-law with another rate, which costs the same.
    return {"format": stream_format.demuxer} if stream_format.is_raw else {}


def _own_cpu_seconds() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
