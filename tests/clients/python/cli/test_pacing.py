"""Audio is sent in real time, whatever its format: ``--realtime`` against a real service."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sercuescribe_client.cli.pacing import pace_by_bytes, pace_by_progress
from tests.audio import encode, speech
from tests.clients.python.cli.command import events, run, server_environ
from tests.service import Service

FORMATS = {
    "mp3": ("-f", "mp3"),
    "flac": ("-f", "flac"),
    "ogg": ("-c:a", "libopus", "-f", "ogg"),
    "webm": ("-c:a", "libopus", "-f", "webm"),
    "aac": ("-f", "adts"),
    "mp4": ("-c:a", "aac", "-movflags", "frag_keyframe+empty_moov", "-frag_duration", "500000",
            "-f", "mp4"),
}  # fmt: skip
# Of 4.77: decoders hold back up to a second, and start late on a busy machine. At full speed a file
# takes a tenth of a second.
LEAST_SECONDS = 2


async def chunks_of(data: bytes) -> AsyncIterator[bytes]:
    yield data


@pytest.mark.long
def test_compressed_audio_takes_as_long_to_send_as_to_play(
    service: Service, tmp_path: Path
) -> None:
    paths = []
    for name, arguments in FORMATS.items():
        paths.append(tmp_path / f"speech.{name}")
        paths[-1].write_bytes(encode(speech(), *arguments))
    done = run("record", "--realtime", "--json", *paths, environ=server_environ(service))
    assert done.returncode == 0, done.stderr
    # The rate counts from the start of the session: it gives the time that sending took.
    taken_seconds = {
        event["source"]: event["bytes"] / event["bytes_per_second"]
        for event in events(done.stdout)
        if event["event"] == "completed"
    }
    assert len(taken_seconds) == len(FORMATS)
    assert min(taken_seconds.values()) > LEAST_SECONDS, taken_seconds


async def test_pieces_by_bytes_take_as_long_as_the_audio_and_are_complete() -> None:
    started_at = time.monotonic()
    data = bytes(range(256)) * 40
    assert b"".join([each async for each in pace_by_bytes(chunks_of(data), 20_480)]) == data
    assert time.monotonic() - started_at >= 0.5


async def test_a_long_header_does_not_hold_the_audio_up() -> None:
    """The pace doubles until there is audio."""
    data = bytes(20_000)
    async with asyncio.timeout(10):
        assert b"".join([each async for each in pace_by_progress(chunks_of(data), lambda: 0)]) == (
            data
        )
