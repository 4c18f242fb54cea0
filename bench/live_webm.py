"""Live WebM sessions in real time, as browser tabs would send them.

Every session sends a blob each 250 ms. If an answer is late, the delay of the next one counts from
the time at which its blob was due. CPU is measured while all sessions stream, memory when all have
sent everything and none is closed.
"""

import asyncio
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import psutil
import uvloop

from api.audio.ffmpeg.command import binary
from bench.load_client import LoadClient, binary_frame, text_frame
from bench.server_process import cpu_nanoseconds, run_service
from bench.stream_formats import WEBM, cluster_milliseconds
from storage.wav import HEADER_BYTES

_SESSIONS = 300
_SECONDS = 60
_BLOB_SECONDS = 0.25
_RAMP_SECONDS = 20.0  # a session every 67 ms; each start of ffmpeg costs about that much CPU
_MEASURED_PROCESSES = 20  # of ffmpeg: measuring all would take longer than the ping timeout
_VARIANTS = 6  # different streams, so that no session may have another's audio
_SAMPLE_SECONDS = 1.0
_CLOSE_FRAME = text_frame('{"type": "control", "action": "close_session"}')


class Blob(NamedTuple):
    frame: bytes
    due_seconds: float


class Cpu(NamedTuple):
    """The CPU times up to ``at_seconds``."""

    at_seconds: float
    server_seconds: float
    ffmpeg_seconds: float
    client_seconds: float


class Recorder:
    """One tab: a connection, its session, and the delays of its acknowledgements."""

    def __init__(self, stream_number: int) -> None:
        self.stream_number = stream_number
        self.session_id = ""
        self.ack_seconds: list[float] = []
        self.sent_at: list[float] = []
        self._client: LoadClient | None = None

    async def stream(self, port: int, blobs: list[Blob], start_at: float) -> None:
        await asyncio.sleep(start_at - time.perf_counter())
        self._client = await LoadClient.connect(port, f"/api/ws/audio?{WEBM.query}")
        self.session_id = json.loads(await self._client.receive())["session_id"]
        began = time.perf_counter()
        for frame, due_seconds in blobs:
            sent = began + due_seconds
            if (left := sent - time.perf_counter()) > 0:
                await asyncio.sleep(left)
                sent = time.perf_counter()
            answer = await self._client.exchange(frame)
            self.ack_seconds.append(time.perf_counter() - sent)
            self.sent_at.append(sent)
            assert b'"type":"chunk"' in answer, answer

    async def close(self) -> None:
        assert self._client is not None
        await self._client.exchange(_CLOSE_FRAME)
        self._client.close()


def main(sessions: int = _SESSIONS, seconds: int = _SECONDS) -> None:
    uvloop.run(_main(sessions, seconds))


async def _main(sessions: int, seconds: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    streams = [WEBM.encode(seconds, variant=number) for number in range(_VARIANTS)]
    blobs = [blobs_of(stream) for stream in streams]
    recorders = [Recorder(number % _VARIANTS) for number in range(sessions)]
    ramp_seconds = min(_RAMP_SECONDS, seconds / 4)
    with tempfile.TemporaryDirectory(dir=".") as folder:
        environ = {"AUDIO_STORAGE_PATH": folder, "MAX_CONCURRENT_SESSIONS": str(sessions)}
        with run_service(environ) as (
            port,
            process,
        ):
            began = time.perf_counter()
            measure_task = asyncio.create_task(
                _measure(process, from_seconds=ramp_seconds + 2, to_seconds=seconds)
            )
            await asyncio.gather(
                *(
                    recorder.stream(
                        port,
                        blobs[recorder.stream_number],
                        began + number * ramp_seconds / sessions,
                    )
                    for number, recorder in enumerate(recorders)
                )
            )
            first, last, server_peak_bytes = await measure_task
            print(f"{sessions} sessions of WebM Opus for {seconds} s with {binary()}")
            _print_delays(recorders, ramp_end=began + ramp_seconds)
            _print_cpu(first, last)
            await asyncio.to_thread(_print_memory, process, server_peak_bytes)
            close_started = time.perf_counter()
            await asyncio.gather(*(recorder.close() for recorder in recorders))
            print(f"all closed at once in {time.perf_counter() - close_started:.1f} s")
        expected = [WEBM.decode(stream) for stream in streams]
        wrong = [
            recorder.session_id
            for recorder in recorders
            if _pcm(Path(folder), recorder) != expected[recorder.stream_number]
        ]
    frames = len(expected[0]) // 2
    print(f"exact: {sessions - len(wrong)} of {sessions} recordings, {frames} frames each")
    if wrong:
        raise SystemExit(f"not exact: {', '.join(wrong)}")


def blobs_of(stream: bytes) -> list[Blob]:
    """Return the blobs of each 250 ms: the clusters that are complete by then."""
    clusters = [*cluster_milliseconds(stream)[1:], (len(stream), None)]
    blobs, start, due_seconds, end = [], 0, _BLOB_SECONDS, 0
    for position, milliseconds in clusters:
        if milliseconds is None or milliseconds > due_seconds * 1000:
            end = position if milliseconds is None else end
            blobs.append(Blob(binary_frame(stream[start:end]), due_seconds))
            start = end
            due_seconds += _BLOB_SECONDS
        end = position
    return blobs


async def _measure(
    process: psutil.Process, *, from_seconds: float, to_seconds: float
) -> tuple[Cpu, Cpu, int]:
    """Return the CPU times at both moments, and the peak memory of the server."""
    began = time.perf_counter()
    first, peak_bytes = None, 0
    while (passed := time.perf_counter() - began) < to_seconds:
        if first is None and passed >= from_seconds:
            first = await asyncio.to_thread(_cpu, process)
        peak_bytes = max(peak_bytes, process.memory_info().rss)
        await asyncio.sleep(min(_SAMPLE_SECONDS, to_seconds - passed))
    assert first is not None, "too short to measure anything"
    return first, await asyncio.to_thread(_cpu, process), peak_bytes


def _cpu(process: psutil.Process) -> Cpu:
    children = process.children()
    return Cpu(
        time.perf_counter(),
        cpu_nanoseconds(process.pid) / 1e9,
        sum(cpu_nanoseconds(child.pid) for child in children) / 1e9,
        time.process_time(),
    )


def _print_delays(recorders: list[Recorder], ramp_end: float) -> None:
    chunks = [
        chunk
        for recorder in recorders
        for chunk in zip(recorder.sent_at, recorder.ack_seconds, strict=True)
    ]
    groups = {
        "of all chunks": [delay for _, delay in chunks],
        "first chunks": [recorder.ack_seconds[0] for recorder in recorders],
        "while sessions start": [delay for sent_at, delay in chunks if sent_at < ramp_end],
        "after the ramp": [delay for sent_at, delay in chunks if sent_at >= ramp_end],
    }
    for name, delays in groups.items():
        delays.sort()
        p50, p95, p99 = (delays[int(len(delays) * share)] * 1e3 for share in (0.5, 0.95, 0.99))
        print(
            f"ack in ms, {name:20} ({len(delays)}): p50 {p50:.1f}  p95 {p95:.1f}"
            f"  p99 {p99:.1f}  max {delays[-1] * 1e3:.1f}"
        )


def _print_cpu(first: Cpu, last: Cpu) -> None:
    passed = last.at_seconds - first.at_seconds
    cores = [(end - start) / passed for start, end in zip(first[1:], last[1:], strict=True)]
    print(
        f"cores over {passed:.0f} s: server {cores[0]:.2f}, all ffmpeg {cores[1]:.2f};"
        f" this client {cores[2]:.2f}"
    )


def _print_memory(process: psutil.Process, peak_bytes: int) -> None:
    children = [child.memory_full_info() for child in process.children()[:_MEASURED_PROCESSES]]
    own = process.memory_full_info()
    mean = {
        name: sum(getattr(child, name) for child in children) / max(1, len(children)) / 2**20
        for name in ("rss", "pss", "uss")
    }
    print(
        f"memory in MiB: server {own.rss / 2**20:.0f} (peak: {peak_bytes / 2**20:.0f});"
        f" each of {len(children)} ffmpeg: RSS {mean['rss']:.1f},"
        f" PSS {mean['pss']:.1f}, private {mean['uss']:.1f}"
    )


def _pcm(folder: Path, recorder: Recorder) -> bytes:
    return (folder / f"{recorder.session_id}.wav").read_bytes()[HEADER_BYTES:]
