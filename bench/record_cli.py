"""``sercuescribe record`` of an hour at full speed: speed factor and the client's memory."""

import contextlib
import random
import sys
import tempfile
import time
import wave
from pathlib import Path
from subprocess import DEVNULL, PIPE

import psutil

from bench.server_process import run_service

_SAMPLE_RATES = (16000, 44100)
_HOUR_SECONDS = 3600
_MIN_REALTIME_FACTOR = 200
_WAV_HEADER_BYTES, _RECORDING_HEADER_BYTES = 44, 80


def main(seconds: int = _HOUR_SECONDS) -> None:
    with tempfile.TemporaryDirectory(dir=".") as folder:
        environ = {"AUDIO_STORAGE_PATH": folder}
        with run_service(environ) as (port, _):
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
        peak_bytes, cpu_seconds = _measure_process(process)
        elapsed_seconds = time.perf_counter() - began
        printed = process.stdout.read()
    assert process.returncode == 0
    recording = path.parent / f"{printed.split()[0]}.wav"
    _assert_equal_audio(path, recording)
    recording.unlink()
    factor = seconds / elapsed_seconds
    verdict = "within" if factor >= _MIN_REALTIME_FACTOR else "MISSED"
    print(
        f"{sample_rate} Hz: {seconds} s of audio in {elapsed_seconds:.2f} s, {factor:.0f} times"
        f" real time ({verdict} {_MIN_REALTIME_FACTOR}), every sample equal;"
        f" client: {cpu_seconds:.2f} s of CPU, {peak_bytes / 2**20:.0f} MiB"
    )


def _measure_process(process: psutil.Popen) -> tuple[int, float]:
    """Return the peak memory and the CPU time of a process that runs to its end."""
    peak_bytes, cpu_seconds = 0, 0.0
    while process.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess), process.oneshot():
            peak_bytes = max(peak_bytes, process.memory_info().rss)
            times = process.cpu_times()
            cpu_seconds = max(cpu_seconds, times.user + times.system)
        time.sleep(0.01)
    return peak_bytes, cpu_seconds


def _assert_equal_audio(source: Path, recording: Path) -> None:
    with source.open("rb") as sent, recording.open("rb") as kept:
        sent.seek(_WAV_HEADER_BYTES)
        kept.seek(_RECORDING_HEADER_BYTES)
        while piece := sent.read(2**20):
            assert kept.read(2**20) == piece
        assert not kept.read(1)
