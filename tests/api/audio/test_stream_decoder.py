"""The stream decoder, from the first byte to the last frame of any format."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from api.audio.ffmpeg.feed import FfmpegFeed
from api.audio.ffmpeg.launcher import DecoderLauncher
from api.audio.formats import DecodeError
from api.audio.stream_decoder import StreamDecoder
from storage.pcm import Buffer, PcmFormat
from tests.audio import cut, cut_anywhere, decode, encode, encode_silence, pcm, speech, wav
from tests.eventually import eventually
from tests.parameters import long_except_first


class Recorder:
    """A decoder and all its output."""

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
            emit_now=self.emit_now,
        )
        self._takes_now = False

    def emit_now(self, data: Buffer) -> bool:
        self._takes_now = not self._takes_now
        if self._takes_now:
            self.out += data
        return self._takes_now

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
async def test_a_wav_that_matches_the_session_passes_through(size: int) -> None:
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
async def test_every_sample_layout_is_decoded_like_one_ffmpeg_decode(
    codec: str, sample_rate: int, channels: int
) -> None:
    data = encode(speech(), "-c:a", codec, "-ar", "22050", "-ac", "1", "-f", "wav")
    recorder = Recorder(sample_rate=sample_rate, channels=channels)
    for piece in cut_anywhere(data, seed=1):
        await recorder.feed(piece)
    assert await recorder.finish() == decode(data, sample_rate=sample_rate, channels=channels)


async def test_a_stream_of_a_single_raw_frame_is_recorded() -> None:
    recorder = Recorder()
    await recorder.feed(b"RI")
    assert await recorder.finish() == b"RI"


async def test_an_empty_stream_has_no_input_and_no_output() -> None:
    recorder = Recorder()
    await recorder.feed(b"")
    assert not recorder.decoder.has_input
    assert await recorder.finish() == b""


async def test_a_failed_stream_refuses_all_later_chunks() -> None:
    recorder = Recorder()
    for data in (b"RIFF\0\0\0\0WAVEdata\1\0\0\0", pcm(10), pcm(10)):
        with pytest.raises(DecodeError):
            await recorder.feed(data)
    assert recorder.decoder.has_failed


async def test_a_header_in_one_byte_chunks_is_parsed_in_linear_time() -> None:
    before = (b"JUNK" + (16).to_bytes(4, "little") + bytes(16)) * 990
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
async def test_an_ffmpeg_stream_is_restored_from_its_kept_input(recorded_frames: int) -> None:
    data = encode(speech(), "-c:a", "pcm_s24le", "-f", "wav")
    expected = decode(data, sample_rate=22050)
    recorder = Recorder()
    kept_input = data[:20_000], data[20_000:50_000]
    await recorder.restore(b"", *kept_input, recorded_bytes=2 * recorded_frames)
    for piece in cut(data[50_000:], 4096):
        await recorder.feed(piece)
    assert await recorder.finish() == expected[2 * recorded_frames :]


async def test_a_stream_of_undetected_format_is_restored() -> None:
    data = wav(pcm(100), sample_rate=22050)
    recorder = Recorder()
    await recorder.restore(b"", data[:30])
    await recorder.feed(data[30:])
    assert await recorder.finish() == pcm(100)


async def test_a_stream_whose_last_bytes_fail_leaves_no_process() -> None:
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
    ("codec", "container"),
    long_except_first([("flac", "flac"), ("libopus", "ogg"), ("pcm_u8", "wav")]),
)
async def test_a_chunk_that_decodes_to_hours_is_cut_off_at_the_limit(
    codec: str, container: str
) -> None:
    hour = encode_silence(3600, "-c:a", codec, "-f", container)
    recorder = Recorder(sample_rate=8000, max_chunk_seconds=60)
    with pytest.raises(DecodeError, match="one chunk holds more than 60 seconds of audio"):
        await recorder.feed(hour)
        await recorder.finish()
    assert len(recorder.out) == 60 * 16000


async def test_a_wav_with_a_low_sample_rate_is_cut_off_at_the_limit() -> None:
    recorder = Recorder(max_chunk_seconds=60)
    with pytest.raises(DecodeError, match="more than 60 seconds"):
        await recorder.feed(wav(pcm(20_000), sample_rate=100))
        await recorder.finish()
    assert len(recorder.out) == 60 * 44100


async def emitted(recorder: Recorder, least_bytes: int) -> None:
    """Return when ffmpeg has emitted this much audio."""
    await eventually(
        lambda: len(recorder.out),
        lambda count: count >= least_bytes,
        awaiting=f"{least_bytes} bytes of audio",
    )


async def test_the_duration_limit_applies_to_each_chunk_alone() -> None:
    recorder = Recorder("pcm_f32le", max_chunk_seconds=1)
    floats = encode(speech(), "-c:a", "pcm_f32le", "-f", "f32le")
    for number, piece in enumerate(cut(floats, 4 * 11025)):
        await recorder.feed(piece)
        await emitted(recorder, number * 2 * 11025)  # ffmpeg is half a second behind
    assert await recorder.finish() == speech()[44:]


async def test_chunks_are_accepted_while_the_decoder_waits_to_start() -> None:
    launcher = DecoderLauncher(starts_at_once=1, start_seconds=60)
    recorders = [Recorder(launcher=launcher) for _ in range(3)]
    data = encode(speech(), "-c:a", "flac", "-f", "flac")
    for recorder in recorders:
        for piece in cut(data, 5000):
            await recorder.feed(piece)  # returns without output until the decoder has started
    for recorder in recorders:
        assert await recorder.finish() == decode(data, sample_rate=22050)


async def test_aborting_a_stream_whose_decoder_waits_to_start_is_immediate() -> None:
    launcher = DecoderLauncher(starts_at_once=1, start_seconds=60)
    first, second = (
        Recorder("pcm_f32le", launcher=launcher),
        Recorder("pcm_f32le", launcher=launcher),
    )
    await first.feed(b"\0\0")
    await second.feed(b"\0\0")
    async with asyncio.timeout(60):
        await second.decoder.abort()
        await first.decoder.abort()


async def test_a_failed_stream_is_restored_as_failed() -> None:
    first, second = Recorder(), Recorder()
    with pytest.raises(DecodeError):
        await first.feed(b"RIFF\0\0\0\0WAVEdata\1\0\0\0")
    await second.restore(first.decoder.saved_state)
    assert second.decoder.has_failed


def id3(size: int) -> bytes:
    """Return an ID3v2.4 tag with ``size`` bytes of content (at most 2 ** 28 - 1)."""
    return b"ID3\x04\0\0" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0)) + bytes(size)


@pytest.mark.parametrize("tags", [id3(256), id3(300_000), id3(500) + id3(1)])
@pytest.mark.parametrize(
    ("codec", "declared"), [("mp3", "wav"), ("adts", "wav"), ("adts", "aac"), ("flac", "flac")]
)
async def test_the_format_behind_tags_of_any_size_is_detected(
    tags: bytes, codec: str, declared: str
) -> None:
    data = encode(speech(), "-f", codec)
    recorder = Recorder(declared)
    for piece in cut_anywhere(tags + data, seed=1):
        await recorder.feed(piece)
    assert await recorder.finish() == decode(data, sample_rate=22050)


async def test_a_tag_without_audio_is_an_error() -> None:
    recorder = Recorder()
    await recorder.feed(id3(300))
    with pytest.raises(DecodeError):
        await recorder.finish()


async def test_pcm_that_begins_like_a_tag_is_recorded() -> None:
    data = b"ID3\x04\0\x0f" + pcm(1000)
    recorder = Recorder()
    await recorder.feed(data)
    assert await recorder.finish() == data
