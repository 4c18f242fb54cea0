"""From first byte to last frame, whatever the stream is."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from api.audio.ffmpeg.feed import FfmpegFeed
from api.audio.ffmpeg.launcher import DecoderLauncher
from api.audio.formats import DecodeError
from api.audio.stream_decoder import StreamDecoder
from storage.pcm import Buffer, PcmFormat
from tests.audio import cut, cut_anywhere, decode, encode, encode_silence, pcm, speech, wav


class Recorder:
    """A decoder and all that came out of it."""

    def __init__(
        self,
        declared: str = "wav",
        sample_rate: int = 22050,
        channels: int = 1,
        max_chunk_seconds: float = 60,
        launcher: DecoderLauncher | None = None,
    ) -> None:
        self.out = bytearray()
        self.decoder = StreamDecoder(
            declared,  # type: ignore[arg-type]
            PcmFormat(sample_rate, channels),
            launcher=launcher or DecoderLauncher(max_chunk_seconds=max_chunk_seconds),
            emit=self.emit,
        )

    async def emit(self, data: Buffer) -> None:
        self.out += data

    async def feed(self, data: bytes) -> None:
        self.out += await self.decoder.feed(data)

    async def restore(self, state: bytes, *kept_input: bytes, recorded_bytes: int = 0) -> None:
        async for new in self.decoder.restore(state, blocks(*kept_input), recorded_bytes):
            self.out += new

    async def finish(self) -> bytes:
        self.out += await self.decoder.finish()
        return bytes(self.out)


async def blocks(*data: bytes) -> AsyncIterator[bytes]:
    for block in data:
        yield block


@pytest.mark.parametrize("size", [1, 7, 44, 4096])
async def test_a_matching_wav_is_its_samples(size: int) -> None:
    recorder = Recorder()
    for piece in cut(speech(), size):
        await recorder.feed(piece)
    assert await recorder.finish() == speech()[44:]
    assert recorder.decoder.passthrough is not None


@pytest.mark.parametrize(
    ("codec", "sample_rate", "channels"),
    [
        ("pcm_u8", 22050, 1),
        ("pcm_s16le", 48000, 2),
        ("pcm_s24le", 22050, 1),
        ("pcm_s32le", 44100, 1),
        ("pcm_f32le", 22050, 1),
        ("pcm_f64le", 22050, 1),
        ("pcm_mulaw", 8000, 1),
        ("pcm_alaw", 22050, 2),
    ],
)
async def test_every_sample_layout_is_decoded_as_ffmpeg_does(
    codec: str, sample_rate: int, channels: int
) -> None:
    data = encode(speech(), "-c:a", codec, "-ar", "22050", "-ac", "1", "-f", "wav")
    recorder = Recorder(sample_rate=sample_rate, channels=channels)
    for piece in cut_anywhere(data, seed=1):
        await recorder.feed(piece)
    assert await recorder.finish() == decode(data, sample_rate=sample_rate, channels=channels)


async def test_raw_pcm_of_a_single_frame_is_not_lost_for_want_of_a_header() -> None:
    recorder = Recorder()
    await recorder.feed(b"RI")
    assert await recorder.finish() == b"RI"


async def test_nothing_is_nothing() -> None:
    recorder = Recorder()
    await recorder.feed(b"")
    assert not recorder.decoder.has_input
    assert await recorder.finish() == b""


async def test_a_stream_that_failed_fails_from_then_on() -> None:
    recorder = Recorder()
    for data in (b"RIFF\0\0\0\0WAVEdata\1\0\0\0", pcm(10), pcm(10)):
        with pytest.raises(DecodeError):
            await recorder.feed(data)
    assert recorder.decoder.has_failed


async def test_a_header_of_many_tiny_chunks_is_found_again_each_time_without_its_square() -> None:
    before = (b"JUNK" + (0).to_bytes(4, "little")) * 3000
    recorder = Recorder(sample_rate=44100)
    for piece in cut(wav(pcm(10), before=before), 1):
        await recorder.feed(piece)
    assert await recorder.finish() == pcm(10)


async def test_a_passthrough_stream_is_restored_from_its_state() -> None:
    data = wav(pcm(1000), sample_rate=22050)
    first, second = Recorder(), Recorder()
    await first.feed(data[:777])
    assert first.decoder.passthrough is not None
    await second.restore(first.decoder.saved_state)
    await second.feed(data[777:])
    assert bytes(first.out) + await second.finish() == pcm(1000)


@pytest.mark.parametrize("recorded_frames", [0, 1, 5000, 11000])
async def test_a_decoded_stream_is_restored_from_its_kept_input(recorded_frames: int) -> None:
    data = encode(speech(), "-c:a", "pcm_s24le", "-f", "wav")
    expected = decode(data, sample_rate=22050)
    recorder = Recorder()
    kept_input = data[:20_000], data[20_000:50_000]
    await recorder.restore(b"", *kept_input, recorded_bytes=2 * recorded_frames)
    for piece in cut(data[50_000:], 4096):
        await recorder.feed(piece)
    assert await recorder.finish() == expected[2 * recorded_frames :]


async def test_a_stream_that_had_not_told_what_it_is_is_restored_too() -> None:
    data = wav(pcm(100), sample_rate=22050)
    recorder = Recorder()
    await recorder.restore(b"", data[:30])
    await recorder.feed(data[30:])
    assert await recorder.finish() == pcm(100)


async def test_no_process_is_left_of_a_stream_whose_last_bytes_ffmpeg_refused() -> None:
    recorder = Recorder("aac")
    await recorder.feed(encode(speech(), "-c:a", "aac", "-f", "adts")[:5000])
    assert isinstance(recorder.decoder.stage, FfmpegFeed)
    decoder = await recorder.decoder.stage._start

    async def refuse(data: Buffer) -> None:
        raise DecodeError("refused")

    decoder.feed = refuse  # type: ignore[method-assign]
    with pytest.raises(DecodeError, match="refused"):
        await recorder.finish()
    assert decoder._process.returncode is not None


@pytest.mark.parametrize(
    ("codec", "container"), [("flac", "flac"), ("libopus", "ogg"), ("pcm_u8", "wav")]
)
async def test_a_chunk_that_stands_for_hours_is_cut_off(codec: str, container: str) -> None:
    hour = encode_silence(3600, "-c:a", codec, "-f", container)
    recorder = Recorder(sample_rate=8000, max_chunk_seconds=60)
    with pytest.raises(DecodeError, match="one chunk holds more than 60 seconds of audio"):
        await recorder.feed(hour)
        await recorder.finish()
    assert len(recorder.out) == 60 * 16000


async def test_a_wav_of_few_frames_a_second_stands_for_long_too() -> None:
    recorder = Recorder(max_chunk_seconds=60)
    with pytest.raises(DecodeError, match="more than 60 seconds"):
        await recorder.feed(wav(pcm(20_000), sample_rate=100))
        await recorder.finish()
    assert len(recorder.out) == 60 * 44100


async def test_any_number_of_chunks_may_hold_what_one_may() -> None:
    recorder = Recorder("pcm_f32le", max_chunk_seconds=1)
    floats = encode(speech(), "-c:a", "pcm_f32le", "-f", "f32le")
    for number, piece in enumerate(cut(floats, 4 * 11025)):
        await recorder.feed(piece)
        async with asyncio.timeout(10):
            while len(recorder.out) < number * 2 * 11025:  # ffmpeg is half a second behind
                await asyncio.sleep(0.01)
    assert await recorder.finish() == speech()[44:]


async def test_chunks_are_taken_while_the_decoder_still_waits_for_its_turn() -> None:
    launcher = DecoderLauncher(starts_at_once=1, start_seconds=60)
    recorders = [Recorder(launcher=launcher) for _ in range(3)]
    data = encode(speech(), "-c:a", "flac", "-f", "flac")
    for recorder in recorders:
        for piece in cut(data, 5000):
            await recorder.feed(piece)  # nothing comes out before there is more, or the end
    for recorder in recorders:
        assert await recorder.finish() == decode(data, sample_rate=22050)


async def test_giving_up_a_stream_whose_decoder_waits_for_its_turn_takes_no_time() -> None:
    launcher = DecoderLauncher(starts_at_once=1, start_seconds=60)
    first, second = (
        Recorder("pcm_f32le", launcher=launcher),
        Recorder("pcm_f32le", launcher=launcher),
    )
    await first.feed(b"\0\0")
    await second.feed(b"\0\0")
    async with asyncio.timeout(10):
        await second.decoder.abort()
        await first.decoder.abort()


async def test_a_stream_that_failed_stays_so_when_it_is_restored() -> None:
    first, second = Recorder(), Recorder()
    with pytest.raises(DecodeError):
        await first.feed(b"RIFF\0\0\0\0WAVEdata\1\0\0\0")
    await second.restore(first.decoder.saved_state)
    assert second.decoder.has_failed
