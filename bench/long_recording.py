"""A recording of 4.3 GiB: memory of the service, time to close, validity of the file.

It is streamed in chunks of 64 KiB as fast as the service accepts them, and compared with 8 MiB.
"""

import asyncio
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import psutil
import soundfile

from api.audio.ffmpeg.command import binary
from bench.load_client import LoadClient, binary_frame, text_frame
from bench.server_process import run_service

_CHUNK = os.urandom(64 * 1024)
_MAX_CHUNKS_IN_FLIGHT = 8
_CLOSE_FRAME = text_frame('{"type": "control", "action": "close_session"}')


def main() -> None:
    asyncio.run(_main())


async def _main() -> None:
    with tempfile.TemporaryDirectory(dir=".") as folder:
        environ = {"AUDIO_STORAGE_PATH": folder, "MAX_SESSION_DURATION_HOURS": "24"}
        with run_service(environ) as (
            port,
            process,
        ):
            for size_bytes in (8 * 2**20, int(4.3 * 2**30)):
                await _record(port, process, Path(folder), size_bytes)


async def _record(port: int, process: psutil.Process, folder: Path, size_bytes: int) -> None:
    client = await LoadClient.connect(port, "/api/ws/audio?sample_rate=96000&channels=2")
    session_id = json.loads(await client.receive())["session_id"]
    frame, chunks = binary_frame(_CHUNK), size_bytes // len(_CHUNK)
    memory_bytes = 0
    began = time.monotonic()
    for number in range(chunks + _MAX_CHUNKS_IN_FLIGHT):
        if number < chunks:
            client.send(frame)
        if number >= _MAX_CHUNKS_IN_FLIGHT:
            await client.receive()
        if number % 256 == 0:
            memory_bytes = max(memory_bytes, process.memory_info().rss)
    streamed_seconds = time.monotonic() - began
    began = time.monotonic()
    final = json.loads(await client.exchange(_CLOSE_FRAME))
    close_seconds = time.monotonic() - began
    client.close()
    path = folder / f"{session_id}.wav"
    frames = soundfile.info(path).frames
    assert frames == final["duration_seconds"] * 96000 == chunks * len(_CHUNK) // 4
    print(
        f"{size_bytes / 2**20:6.0f} MiB {path.open('rb').read(4).decode()}:"
        f" {size_bytes / 2**20 / streamed_seconds:4.0f} MiB/s, close {close_seconds * 1e3:4.0f} ms,"
        f" server at most {memory_bytes / 2**20:3.0f} MiB;"
        f" libsndfile {frames} frames, ffmpeg {_ffmpeg_frames(path)} frames"
    )
    path.unlink()


def _ffmpeg_frames(path: Path) -> int:
    command = [binary(), "-loglevel", "error", "-i", str(path), "-f", "s16le", "pipe:1"]
    size_bytes = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while block := process.stdout.read(2**20):
            size_bytes += len(block)
    return size_bytes // 4
