"""``sercuescribe record`` of an hour as fast as it goes: times real time, the client's memory."""

import contextlib
import random
import sys
import tempfile
import time
import wave
from pathlib import Path
from subprocess import DEVNULL, PIPE

import psutil

from bench.servers import server

_SAMPLE_RATES = (16000, 44100)
_HOUR_SECONDS = 3600
_ALLOWED_TIMES = 200
_WAV_HEADER_BYTES, _RECORDING_HEADER_BYTES = 44, 80


def main(seconds: int = _HOUR_SECONDS) -> None:
    with tempfile.TemporaryDirectory(dir=".") as folder:
        environ = {"AUDIO_STORAGE_PATH": folder}
        with server("-m", "api.cli", "serve", "--port", "0", environ=environ) as (port, _):
            for sample_rate in _SAMPLE_RATES:
                path = Path(folder) / "source"
                _write_noise(path, sample_rate, seconds)
                _record(path, port, sample_rate, seconds)


def _write_noise(path: Path, sample_rate: int, seconds: int) -> None:
    noise = random.Random(sample_rate)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        for _ in range(seconds):
            file.writeframesraw(noise.randbytes(2 * sample_rate))


def _record(path: Path, port: int, sample_rate: int, seconds: int) -> None:
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "sercuescribe_client", "record", str(path), "--server", url]
    began = time.perf_counter()
    with psutil.Popen(command, stdout=PIPE, stderr=DEVNULL, text=True) as process:
        most_bytes, cpu_seconds = _watch(process)
        took = time.perf_counter() - began
        printed = process.stdout.read()
    assert process.returncode == 0
    recording = path.parent / f"{printed.split()[0]}.wav"
    _must_be_equal(path, recording)
    recording.unlink()
    times = seconds / took
    verdict = "within" if times >= _ALLOWED_TIMES else "MISSED"
    print(
        f"{sample_rate} Hz: {seconds} s of audio in {took:.2f} s, {times:.0f} times real time"
        f" ({verdict} {_ALLOWED_TIMES}), every sample equal; client: {cpu_seconds:.2f} s of CPU,"
        f" {most_bytes / 2**20:.0f} MiB"
    )


def _watch(process: psutil.Popen) -> tuple[int, float]:
    """The most memory it took and the CPU time, seen until it has ended."""
    most_bytes, cpu_seconds = 0, 0.0
    while process.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess), process.oneshot():
            most_bytes = max(most_bytes, process.memory_info().rss)
            times = process.cpu_times()
            cpu_seconds = max(cpu_seconds, times.user + times.system)
        time.sleep(0.01)
    return most_bytes, cpu_seconds


def _must_be_equal(source: Path, recording: Path) -> None:
    with source.open("rb") as sent, recording.open("rb") as kept:
        sent.seek(_WAV_HEADER_BYTES)
        kept.seek(_RECORDING_HEADER_BYTES)
        while piece := sent.read(2**20):
            assert kept.read(2**20) == piece
        assert not kept.read(1)
