"""How decoders are started, and what they may take."""

import asyncio
import os
import signal

import pytest

from api.audio.ffmpeg.launcher import DecoderLauncher
from api.audio.ffmpeg.sandbox import Sandbox
from storage.pcm import Buffer, PcmFormat
from tests.audio import pcm

MONO = PcmFormat(44100, 1)
RAW = "s16le"


async def ignore(_: Buffer) -> None:
    """Audio that nobody asks for."""


async def test_no_more_decoders_start_at_once_than_allowed() -> None:
    ffmpeg = DecoderLauncher(starts_at_once=2, start_seconds=60)
    first, second = [await ffmpeg.start(RAW, MONO, ignore) for _ in range(2)]
    third = asyncio.create_task(ffmpeg.start(RAW, MONO, ignore))
    done, _ = await asyncio.wait([third], timeout=0.5)
    assert not done
    await first.feed(pcm(16000))  # what comes out says that it has started
    await (await third).kill()
    await first.kill()
    await second.kill()


async def test_a_decoder_that_gives_nothing_yet_does_not_keep_others_from_starting() -> None:
    ffmpeg = DecoderLauncher(starts_at_once=1, start_seconds=0.05)
    for _ in range(3):
        async with asyncio.timeout(10):
            decoder = await ffmpeg.start(RAW, MONO, ignore)
        await decoder.kill()


async def test_a_start_that_fails_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    ffmpeg = DecoderLauncher(starts_at_once=1)
    with monkeypatch.context() as patch:
        patch.setattr("api.audio.ffmpeg.launcher.binary", lambda: "/nowhere/ffmpeg")
        patch.setattr("api.audio.ffmpeg.launcher.sandbox", lambda: Sandbox((), ()))
        with pytest.raises(FileNotFoundError):
            await ffmpeg.start(RAW, MONO, ignore)
    async with asyncio.timeout(10):
        await (await ffmpeg.start(RAW, MONO, ignore)).kill()


async def test_signals_to_all_processes_of_the_service_end_no_decoder() -> None:
    out = bytearray()

    async def emit(pcm: Buffer) -> None:
        out.extend(pcm)

    decoder = await DecoderLauncher().start(RAW, MONO, emit)
    await decoder.feed(pcm(16000))
    while not out:
        await asyncio.sleep(0.01)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        os.kill(decoder.pid, number)
    await decoder.feed(pcm(16000, seed=1))
    await decoder.finish()
    assert bytes(out) == pcm(16000) + pcm(16000, seed=1)
