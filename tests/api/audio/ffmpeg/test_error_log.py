"""The lines of ffmpeg as errors that name the cause and the remedy."""

import pytest

from api.audio.ffmpeg.error_log import ErrorLog
from api.audio.ffmpeg.launcher import DecoderLauncher
from api.audio.formats import DecodeError
from storage.pcm import Buffer, PcmFormat
from tests.audio import encode, speech, wav


def first_of(*lines: str) -> DecodeError | None:
    errors = ErrorLog("Ogg")
    for line in lines:
        errors.read(line)
    return errors.first


async def _ignore(_: Buffer) -> None:
    """Drop the audio."""


async def error_of(data: bytes, demuxer: str) -> DecodeError:
    """Return the error for ``data``, which ffmpeg cannot decode."""
    decoder = await DecoderLauncher().start(demuxer, PcmFormat(16000, 1), _ignore)
    with pytest.raises(DecodeError) as error:
        await decoder.feed(data)
        await decoder.finish()
    await decoder.kill()
    return error.value


@pytest.mark.parametrize(
    ("demuxer", "options", "codec"),
    [
        ("wav", ("-c:a", "g726", "-ar", "8000", "-f", "wav"), "G.726 (g726)"),
        ("wav", ("-c:a", "wmav2", "-f", "wav"), "Windows Media Audio (wmav2)"),
        ("matroska", ("-c:a", "ac3", "-f", "matroska"), "AC-3 (ac3)"),
        ("matroska", ("-c:a", "tta", "-f", "matroska"), "tta"),
    ],
)
async def test_a_codec_that_is_not_offered_is_named_with_the_ones_that_are(
    demuxer: str, options: tuple[str, ...], codec: str
) -> None:
    error = await error_of(encode(speech(), *options), demuxer)
    assert error.code == "unsupported_codec"
    assert str(error).startswith(f"the codec of the audio is {codec}, which is not offered")
    assert str(error).endswith("send PCM, FLAC, MP3, AAC, ALAC, Opus or Vorbis")


@pytest.mark.parametrize(("tag", "codec"), [(0x31, "GSM (gsm_ms)"), (0x22, "TrueSpeech")])
async def test_the_codec_of_a_wav_is_named_by_its_format_tag(tag: int, codec: str) -> None:
    error = await error_of(wav(bytes(65 * 400), sample_rate=8000, format_tag=tag), "wav")
    assert error.code == "unsupported_codec"
    assert codec in str(error)


async def test_a_codec_that_ffmpeg_does_not_know_is_an_unsupported_one() -> None:
    error = await error_of(wav(bytes(40_000), format_tag=0x1234), "wav")
    assert error.code == "unsupported_codec"
    assert "unknown to the service: send PCM" in str(error)


@pytest.mark.parametrize(
    "line",
    [
        "[speex @ 0x1] [error] Codec (speex) not on whitelist 'aac'",
        "[ogg @ 0x1] [warning] something is odd",
        "no level",
        "",
    ],
)
def test_other_lines_are_no_errors(line: str) -> None:
    assert first_of(line) is None


@pytest.mark.parametrize(
    "line",
    [
        "[dec:speex @ 0x2] [error] Error while opening decoder: Invalid argument",
        "[error] Error while opening decoder for input stream #0:0 : Invalid argument",
    ],
)
def test_the_codec_of_the_audio_is_the_last_one_refused_before_its_decoder_fails(
    line: str,
) -> None:
    error = first_of(
        "[vp8 @ 0x1] [error] Codec (vp8) not on whitelist 'aac'",
        "[speex @ 0x1] [error] Codec (speex) not on whitelist 'aac'",
        line,
        "[fatal] Error opening output files: Invalid argument",
    )
    assert error is not None
    assert str(error).startswith("the codec of the audio is Speex (speex), which is not offered")


def test_the_first_error_counts_and_its_text_says_what_may_be_wrong() -> None:
    error = first_of("[in#0/ogg @ 0x1] [error] CRC mismatch!", "[error] another")
    assert error is not None
    assert error.code == "decode_failed"
    assert str(error).startswith("CRC mismatch!: the Ogg is damaged or incomplete, or is none")


@pytest.mark.parametrize("mapping", ["", "0:a:0"])
def test_a_map_that_matches_no_stream_means_that_there_is_no_audio(mapping: str) -> None:
    error = first_of(f"[fatal] Stream map '{mapping}' matches no streams.")
    assert error is not None
    assert (error.code, str(error)) == (
        "no_audio",
        "there is no audio in the Ogg: send a file with an audio track",
    )
