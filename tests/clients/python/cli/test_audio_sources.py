"""Files and standard input as sources of audio."""

import asyncio
import fcntl
import os
import sys
import termios
from collections.abc import AsyncGenerator
from pathlib import Path

from sercuescribe_client.cli.audio_sources import AudioSource, bytes_per_second, open_source
from tests.audio import pcm, wav
from tests.clients.python.cli.command import events, run, server_environ
from tests.eventually import eventually
from tests.service import Service


def test_realtime_sends_at_the_pace_of_the_audio(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "second.wav"
    path.write_bytes(wav(pcm(16000), sample_rate=16000))
    done = run("record", "--realtime", "--json", path, environ=server_environ(service))
    completed = events(done.stdout)[-1]
    assert completed["bytes_per_second"] < 33_000
    assert completed["chunks"] >= 10
    assert service.pcm(completed["session_id"]) == pcm(16000)


def test_the_bytes_of_a_second_are_known_for_wav_and_raw_audio_only() -> None:
    raw = AudioSource("x", None, None, _no_chunks())
    assert bytes_per_second(raw, "pcm_s16le", 16000, 2) == 64_000
    assert bytes_per_second(raw, "mulaw", 8000, 1) == 8000
    assert bytes_per_second(raw, "mp3", 44100, 2) is None


async def test_the_title_of_a_file_is_its_name_as_far_as_the_service_accepts_it(
    tmp_path: Path,
) -> None:
    for name, title in (
        ("a b.wav", "a b.wav"),
        ("two\nlines", "two lines"),
        ("x" * 250, "x" * 200),
    ):
        (tmp_path / name).write_bytes(b"x" * 12)
        assert (await open_source(str(tmp_path / name))).title == title


async def test_a_file_is_read_whole_and_its_wav_format_is_known(tmp_path: Path) -> None:
    data = wav(pcm(100_000), sample_rate=16000)
    (tmp_path / "x.wav").write_bytes(data)
    source = await open_source(str(tmp_path / "x.wav"))
    assert (source.name, source.size_bytes) == ("x.wav", len(data))
    assert source.wav is not None
    assert bytes_per_second(source, "wav", 44100, 2) == 32_000
    assert b"".join([chunk async for chunk in source.chunks]) == data


def unread_bytes(pipe: int) -> int:
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


async def test_a_fifo_is_read_as_its_bytes_arrive(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    both_ends = os.open(tmp_path / "fifo", os.O_RDWR)  # so that no `open` blocks (fifo(7))
    os.write(both_ends, b"f")
    opening = asyncio.create_task(open_source(str(tmp_path / "fifo")))
    await eventually(lambda: unread_bytes(both_ends) == 0, awaiting="the first byte is read")
    os.write(both_ends, b"LaC" + b"raw" * 10)
    opened = await opening
    os.close(both_ends)
    assert opened.size_bytes is None
    assert opened.is_recognised
    assert b"".join([chunk async for chunk in opened.chunks]) == b"fLaC" + b"raw" * 10


async def _no_chunks() -> AsyncGenerator[bytes, None]:
    return
    yield b""
