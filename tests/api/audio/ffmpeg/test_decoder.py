"""The ffmpeg decoder feeds and drains one process at the same time, and always reaps it."""

import asyncio
import contextlib
import fcntl
import os
import signal
import sys
import termios
import time

import psutil
import pytest

from api.audio.ffmpeg.decoder import FfmpegDecoder
from api.audio.ffmpeg.launcher import DecoderLauncher
from api.audio.formats import DecodeError, DecoderLostError
from storage.pcm import Buffer, PcmFormat
from tests.audio import cut, decode, encode, pcm, speech, wav
from tests.eventually import eventually, start_task

MONO = PcmFormat(16000, 1)


class Sink:
    """Collects the emitted audio; while ``open`` is cleared, ``emit`` blocks."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.open = asyncio.Event()
        self.open.set()

    async def emit(self, data: Buffer) -> None:
        await self.open.wait()
        assert len(data) % 2 == 0
        self.data += data


async def start(sink: Sink, demuxer: str = "wav") -> FfmpegDecoder:
    return await DecoderLauncher().start(demuxer, MONO, sink.emit)


def unread_bytes(pipe: int) -> int:
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def children() -> list[psutil.Process]:
    return [p for p in psutil.Process().children() if "ffmpeg" in p.name() or p.name() == "sleep"]


async def no_children() -> None:
    """Return when no process is left: `kill` waits for its end, but not as long as it may take."""
    await eventually(children, lambda found: not found, awaiting="no child process")


async def test_decoding_in_pieces_equals_decoding_the_whole_file() -> None:
    sink = Sink()
    decoder = await start(sink)
    for piece in cut(speech(), 1000):
        await decoder.feed(piece)
    await decoder.finish()
    assert bytes(sink.data) == decode(speech(), sample_rate=16000)
    await no_children()


async def test_input_larger_than_a_pipe_buffer_is_decoded_in_one_call() -> None:
    sink, data = Sink(), wav(pcm(2_000_000), sample_rate=16000)
    decoder = await start(sink)
    await decoder.feed(data)
    await decoder.finish()
    assert bytes(sink.data) == data[44:]


async def test_feed_waits_while_the_consumer_is_blocked() -> None:
    sink = Sink()
    decoder = await start(sink)
    sink.open.clear()
    feeding = asyncio.create_task(decoder.feed(wav(pcm(4_000_000), sample_rate=16000)))
    done, _ = await asyncio.wait([feeding], timeout=0.5)
    assert not done
    sink.open.set()
    await feeding
    await decoder.finish()
    assert len(sink.data) == 8_000_000


async def test_the_decoder_emits_audio_before_the_input_ends() -> None:
    sink = Sink()
    decoder = await start(sink)
    await decoder.feed(wav(pcm(48000), sample_rate=16000, data_bytes=0))
    await eventually(
        lambda: len(sink.data), lambda count: count >= 80_000, awaiting="80,000 bytes of audio"
    )
    await decoder.kill()
    await no_children()


async def test_audio_that_is_not_emitted_at_once_is_emitted_in_order() -> None:
    sink, calls = Sink(), 0

    def emit_now(data: Buffer) -> bool:
        nonlocal calls
        calls += 1
        if calls % 3 == 0:
            return False
        sink.data += data
        return True

    decoder = await DecoderLauncher().start("wav", MONO, sink.emit, emit_now)
    data, sent_bytes = wav(pcm(200_000), sample_rate=16000, data_bytes=0), 0
    for piece in cut(data, 10_000):
        await decoder.feed(piece)
        sent_bytes += len(piece)
        least_bytes = sent_bytes - 80_000  # ffmpeg holds back the first 64 KiB
        await eventually(lambda: len(sink.data), least_bytes.__le__, awaiting="audio so far")
    await decoder.finish()
    assert bytes(sink.data) == data[44:]
    assert calls > 3


async def test_invalid_input_raises_an_error_with_the_message_of_ffmpeg() -> None:
    decoder = await start(Sink(), "matroska")
    with pytest.raises(DecodeError, match=r"^EBML header parsing failed"):
        await decoder.feed(pcm(10_000))
        await decoder.finish()
    await no_children()


async def test_feeding_a_decoder_that_has_exited_raises_an_error() -> None:
    decoder = await start(Sink(), "matroska")
    with pytest.raises(DecodeError):
        async with asyncio.timeout(60):
            while True:
                await decoder.feed(pcm(10_000))
    await decoder.kill()
    await no_children()


@pytest.mark.parametrize("is_at_once", [False, True])
async def test_an_error_of_the_consumer_is_raised_from_feed(*, is_at_once: bool) -> None:
    class FullError(Exception):
        pass

    async def refuse(_: Buffer) -> None:
        raise FullError

    def refuse_now(_: Buffer) -> bool:
        raise FullError

    emit, emit_now = (Sink().emit, refuse_now) if is_at_once else (refuse, None)
    decoder = await DecoderLauncher().start("wav", MONO, emit, emit_now)
    with pytest.raises(FullError):
        async with asyncio.timeout(60):
            while True:
                await decoder.feed(wav(pcm(10_000), sample_rate=16000))
    await decoder.kill()
    await no_children()


async def test_damage_that_ffmpeg_skips_is_reported_after_all_audio_is_emitted() -> None:
    data = bytearray(encode(speech(), "-c:a", "flac", "-f", "flac"))
    data[50_000:52_000] = pcm(1000)
    sink = Sink()
    decoder = await start(sink, "flac")
    await decoder.feed(bytes(data))
    with pytest.raises(DecodeError, match="invalid sync code"):
        await decoder.finish()
    assert len(sink.data) > 0.9 * len(decode(speech(), sample_rate=16000))


async def test_a_file_that_claims_huge_blocks_does_not_exhaust_memory() -> None:
    size = 250 * 2**20
    header = encode(speech(), "-c:a", "libopus", "-f", "webm", "-live", "1")
    cluster = header.index(b"\x1f\x43\xb6\x75")
    block = b"\xe7\x81\x00\xa3" + (1 << 56 | size).to_bytes(8, "big") + b"\x81\0\0\x80"
    decoder = await start(Sink(), "matroska")
    await decoder.feed(header[:cluster] + b"\x1f\x43\xb6\x75\x01" + b"\xff" * 7 + block)
    with contextlib.suppress(DecodeError):
        for _ in range(249):
            await decoder.feed(bytes(2**20))
    assert psutil.Process(decoder.pid).memory_info().rss < 150 * 2**20
    with pytest.raises(DecodeError):
        await decoder.finish()
    await no_children()


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch, hanging_ffmpeg: str) -> None:
    monkeypatch.setattr("api.audio.ffmpeg.launcher.binary", lambda: hanging_ffmpeg)


@pytest.mark.usefixtures("hanging")
async def test_an_ffmpeg_that_hangs_is_killed_while_it_is_fed() -> None:
    decoder = await DecoderLauncher(stall_seconds=0.3).start("wav", MONO, Sink().emit)
    async with asyncio.timeout(60):
        with pytest.raises(DecoderLostError, match="neither read nor wrote"):
            await decoder.feed(bytes(4_000_000))
        await decoder.kill()
    await no_children()


@pytest.mark.usefixtures("hanging")
async def test_an_ffmpeg_that_hangs_at_the_end_is_killed() -> None:
    decoder = await DecoderLauncher(stall_seconds=0.3).start("wav", MONO, Sink().emit)
    await decoder.feed(bytes(1000))
    async with asyncio.timeout(60):
        with pytest.raises(DecoderLostError, match="neither read nor wrote"):
            await decoder.finish()
    await no_children()


async def test_an_ffmpeg_that_waits_for_a_slow_storage_does_not_hang() -> None:
    sink, data = Sink(), wav(pcm(1_000_000), sample_rate=16000)
    sink.open.clear()
    decoder = await start(sink)
    feeding = asyncio.create_task(decoder.feed(data))
    await eventually(lambda: decoder._is_emitting, awaiting="audio that waits for the storage")
    for _ in range(5):
        check_progress(decoder)
    assert not feeding.done()
    sink.open.set()
    await feeding
    await decoder.finish()
    assert len(sink.data) == 2_000_000


def check_progress(decoder: FfmpegDecoder) -> None:
    """Let the timer of the decoder fire now."""
    assert decoder._stall_timer is not None
    decoder._stall_timer.cancel()
    decoder._check_stall()


async def test_an_ffmpeg_whose_output_is_not_read_yet_does_not_hang() -> None:
    """After the service was stopped, the timer fires before the event loop reads."""
    sink, data = Sink(), pcm(1_000_000)
    decoder = await DecoderLauncher().start("s16le", PcmFormat(44100, 1), sink.emit)
    feeding = await start_task(decoder.feed(data))
    while not unread_bytes(decoder._process.stdout._fd):
        time.sleep(0.01)  # the event loop does not run
    check_progress(decoder)
    await feeding
    await decoder.finish()
    assert bytes(sink.data) == data


LATE_SECONDS = 1.5  # on a machine that is busy with other work


async def test_a_decoder_whose_exit_is_noticed_late_counts_as_killed() -> None:
    decoder, loop = await start(Sink()), asyncio.get_running_loop()
    process = decoder._process
    loop.remove_reader(process._pidfd)
    loop.call_later(LATE_SECONDS, loop.add_reader, process._pidfd, process._reap)
    os.kill(decoder.pid, signal.SIGKILL)
    with pytest.raises(DecoderLostError, match="signal 9"):
        while True:
            await decoder.feed(wav(pcm(10_000), sample_rate=16000))
    await decoder.kill()


async def test_a_message_of_ffmpeg_that_is_read_late_is_the_error() -> None:
    decoder, loop = await start(Sink(), "matroska"), asyncio.get_running_loop()
    errors = decoder._process._transports[2]
    assert isinstance(errors, asyncio.ReadTransport)
    errors.pause_reading()
    loop.call_later(LATE_SECONDS, errors.resume_reading)
    with pytest.raises(DecodeError, match=r"^EBML header parsing failed"):
        await decoder.feed(pcm(10_000))
        await decoder.finish()
    await no_children()


async def test_a_decoder_that_is_killed_ends_a_feed_and_a_finish_in_progress() -> None:
    for use in (FfmpegDecoder.finish, lambda decoder: decoder.feed(bytes(4_000_000))):
        sink = Sink()
        sink.open.clear()
        decoder = await start(sink)
        await decoder.feed(wav(pcm(100_000), sample_rate=16000))
        using = asyncio.create_task(use(decoder))
        await asyncio.wait([using], timeout=0.2)
        await decoder.kill()
        async with asyncio.timeout(60):
            with contextlib.suppress(DecoderLostError):
                await using
    await no_children()
