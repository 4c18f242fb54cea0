"""The launcher limits how many decoders start at the same time."""

import asyncio
import os
import signal

import pytest

from api.audio.ffmpeg.launcher import DecoderLauncher, starts_at_once
from api.audio.ffmpeg.sandbox import Sandbox
from api.audio.formats import DecoderLostError
from storage.pcm import Buffer, PcmFormat
from tests.api.audio.ffmpeg.test_process import busy_starting_threads
from tests.audio import pcm
from tests.eventually import eventually

MONO = PcmFormat(44100, 1)
RAW = "s16le"


async def ignore(_: Buffer) -> None:
    """Discard the audio."""


async def test_at_most_the_allowed_number_of_decoders_start_at_once() -> None:
    ffmpeg = DecoderLauncher(starts_at_once=2, start_seconds=60)
    first, second = [await ffmpeg.start(RAW, MONO, ignore) for _ in range(2)]
    third = asyncio.create_task(ffmpeg.start(RAW, MONO, ignore))
    done, _ = await asyncio.wait([third], timeout=0.5)
    assert not done
    await first.feed(pcm(16000))  # the first output counts as started
    await (await third).kill()
    await first.kill()
    await second.kill()


@pytest.mark.parametrize(
    ("cores", "workers", "expected"), [(1, 1, 1), (2, 1, 1), (8, 1, 4), (8, 2, 2), (8, 8, 1)]
)
def test_decoders_of_all_workers_start_on_half_of_the_cores(
    monkeypatch: pytest.MonkeyPatch, cores: int, workers: int, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    assert starts_at_once(workers) == expected


async def test_a_decoder_without_output_does_not_block_other_starts() -> None:
    ffmpeg = DecoderLauncher(starts_at_once=1, start_seconds=0.05)
    for _ in range(3):
        async with asyncio.timeout(60):
            decoder = await ffmpeg.start(RAW, MONO, ignore)
        await decoder.kill()


async def test_a_failed_start_does_not_use_up_a_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    ffmpeg = DecoderLauncher(starts_at_once=1)
    with monkeypatch.context() as patch:
        patch.setattr("api.audio.ffmpeg.launcher.binary", lambda: "/nowhere/ffmpeg")
        patch.setattr("api.audio.ffmpeg.launcher.sandbox", lambda: Sandbox((), ()))
        with pytest.raises(FileNotFoundError):
            await ffmpeg.start(RAW, MONO, ignore)
    async with asyncio.timeout(60):
        await (await ffmpeg.start(RAW, MONO, ignore)).kill()


async def test_a_start_that_takes_too_long_is_given_up_and_does_not_use_up_a_slot() -> None:
    ffmpeg = DecoderLauncher(starts_at_once=1, spawn_seconds=0.2)
    with busy_starting_threads():
        for _ in range(2):
            with pytest.raises(DecoderLostError, match="did not start within"):
                await ffmpeg.start(RAW, MONO, ignore)


async def test_a_decoder_survives_signals_to_the_process_group() -> None:
    out = bytearray()

    async def emit(pcm: Buffer) -> None:
        out.extend(pcm)

    decoder = await DecoderLauncher().start(RAW, MONO, emit)
    await decoder.feed(pcm(16000))
    await eventually(lambda: out, awaiting="audio of the decoder")
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        os.kill(decoder.pid, number)
    await decoder.feed(pcm(16000, seed=1))
    await decoder.finish()
    assert bytes(out) == pcm(16000) + pcm(16000, seed=1)
