"""Formats that are refused by name, and raw PCM that never is."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from api.audio import refused
from api.audio.choice import choose
from api.audio.formats import INPUT_KINDS, DecodeError, InputKind
from storage.pcm import PcmFormat
from tests.audio import encode, speech

MONO = PcmFormat(44100, 1)
_HEAD_BYTES = 8 * 1024


def _riff(outer: bytes, form: bytes) -> bytes:
    return outer + b"\0\0\x10\0" + form + bytes(100)


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("speech.wav", speech()[:5000])
    return file.getvalue()


def _tar(tar_format: int) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tar_format) as archive:
        member = tarfile.TarInfo("a folder/speech.wav")
        member.size = 5000
        archive.addfile(member, io.BytesIO(speech()[:5000]))
    return file.getvalue()


# What files of these formats look like: made by ffmpeg and Python, or written after the standards.
ENCODED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("AIFF", ("-f", "aiff")),
    ("AIFC", ("-c:a", "pcm_mulaw", "-f", "aiff")),
    ("CAF", ("-f", "caf")),
    ("AU", ("-f", "au")),
    ("W64", ("-f", "w64")),
    ("ASF (WMA, WMV)", ("-f", "asf")),
    ("FLV", ("-c:a", "libmp3lame", "-ar", "44100", "-f", "flv")),
    ("MPEG-TS", ("-c:a", "aac", "-f", "mpegts")),
    ("MPEG-PS", ("-c:a", "mp2", "-f", "mpeg")),
    ("MPEG-PS", ("-c:a", "mp2", "-f", "vob")),
    ("AVI", ("-f", "avi")),
    ("AC-3", ("-c:a", "ac3", "-ar", "48000", "-f", "ac3")),
    ("AC-3", ("-c:a", "ac3", "-ar", "44100", "-f", "ac3")),
    ("AC-3", ("-c:a", "ac3", "-ar", "32000", "-b:a", "640k", "-f", "ac3")),
    ("AC-3", ("-c:a", "eac3", "-ar", "48000", "-f", "eac3")),
    ("WavPack", ("-c:a", "wavpack", "-f", "wv")),
    ("True Audio", ("-c:a", "tta", "-f", "tta")),
    ("VOC", ("-c:a", "pcm_u8", "-f", "voc")),
)
WRITTEN: tuple[tuple[str, bytes], ...] = (
    ("RIFX (big-endian WAV)", _riff(b"RIFX", b"WAVE")),
    ("MIDI", b"MThd\0\0\0\x06\0\x01\0\x02\x01\xe0MTrk" + bytes(100)),
    ("MIDI", _riff(b"RIFF", b"RMID")),
    ("WebP", _riff(b"RIFF", b"WEBP")),
    ("AMR", b"#!AMR\n" + b"\x3c" * 320),
    ("AMR", b"#!AMR-WB\n" + b"\x44" * 320),
    ("PNG", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(100)),
    ("GIF", b"GIF89a" + bytes(100)),
    ("JPEG", b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01" + bytes(100)),
    ("JPEG", b"\xff\xd8\xff\xe1\x12\x34Exif\0\0" + bytes(100)),
    ("BMP", b"BM\x36\x10\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0" + bytes(100)),
    ("TIFF", b"II*\0\x08\0\0\0" + bytes(100)),
    ("HEIF", b"\0\0\0\x24ftypheic" + bytes(100)),
    ("ZIP", _zip()),
    ("gzip", gzip.compress(speech())),
    ("bzip2", bz2.compress(speech())),
    ("xz", lzma.compress(speech())),
    ("7z", b"7z\xbc\xaf\x27\x1c\0\x04" + bytes(100)),
    ("RAR", b"Rar!\x1a\x07\x01\0" + bytes(100)),
    ("tar", _tar(tarfile.USTAR_FORMAT)),
    ("tar", _tar(tarfile.GNU_FORMAT)),
    ("PDF", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(100)),
    ("HTML", b"<!DOCTYPE html>\n<html><body>502 Bad Gateway</body></html>"),
    ("HTML", b"\xef\xbb\xbf\r\n  <HTML lang='en'>" + bytes(100)),
    ("HTML", b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'),
)


def refusal(data: bytes, declared: InputKind = "wav", *, at_end: bool = True) -> str:
    """Return the text of the error for a stream that begins with ``data``; "" if there is none."""
    try:
        choose(data, declared, MONO, at_end=at_end)
    except DecodeError as error:
        return str(error) if error.code == "unsupported_format" else ""
    return ""


@pytest.mark.parametrize(("name", "arguments"), ENCODED)
def test_a_file_of_a_format_that_is_not_offered_is_refused_by_name(
    name: str, arguments: tuple[str, ...]
) -> None:
    data = encode(speech(), *arguments)
    assert refusal(data, at_end=False).startswith(f"{name} is not offered: convert it to WAV")


@pytest.mark.parametrize(("name", "data"), WRITTEN)
def test_a_file_that_is_no_audio_is_refused_by_name(name: str, data: bytes) -> None:
    assert refusal(data).startswith(f"{name} is not offered")


@pytest.mark.parametrize("declared", INPUT_KINDS)
def test_a_file_is_refused_whatever_format_is_declared_unless_that_is_raw_pcm(
    declared: InputKind,
) -> None:
    for _, data in WRITTEN:
        assert bool(refusal(data, declared)) == (declared != "pcm_s16le")


@pytest.mark.parametrize(("name", "data"), WRITTEN)
def test_the_refusal_does_not_depend_on_the_cuts(name: str, data: bytes) -> None:
    for length in (*range(600), 2000, _HEAD_BYTES):
        if refusal(data[:length], at_end=False).startswith(name):
            continue
        assert choose(data[:length], "wav", MONO) is None, f"the first {length} bytes of {name}"


@pytest.mark.parametrize("signature", refused.SIGNATURES)
def test_a_signature_has_four_fixed_bytes_or_a_check(signature: refused.Signature) -> None:
    fixed_bytes = sum(len(expected) for _, expected in signature.fixed)
    assert fixed_bytes >= 4 or signature.check is not None


def _beginnings() -> Iterator[tuple[str, bytes]]:
    """Yield ten million frames of audio, in blocks; a stream may begin at each of them."""
    random = np.random.default_rng(1)
    frames = 1_000_000
    time = np.arange(frames) / 16000
    said = np.frombuffer(speech()[44:], "<i2")
    for level in (1.0, 0.05, 0.001):
        yield f"speech at {level}", (np.resize(said, frames) * level).astype("<i2").tobytes()
    hertz = np.array([[110.0], [277.2], [329.6], [1318.5]])
    chords = np.sin(2 * np.pi * hertz * time + hertz).sum(axis=0)
    for level in (8000, 300):
        yield f"music at {level}", (chords * level).astype("<i2").tobytes()
    # Of different levels, so that many samples have the low byte of a sync byte.
    phases = 2 * np.pi * np.arange(94) / 94
    tones = [np.sin(phases * turns) * (32000 - 97 * turns) for turns in range(1, 48)]
    periodic = np.concatenate([np.resize(tone, 6000) for tone in tones]).astype("<i2")
    yield "tones whose period divides an MPEG-TS packet", np.resize(periodic, frames).tobytes()
    for level in (32767, 3000, 30):
        yield f"noise at {level}", random.integers(-level, level, frames, "<i2").tobytes()
    steps = np.repeat(np.arange(-32768, 32768, dtype="<i2"), 12)
    yield "constants", steps.tobytes()
    yield "noise of bytes", random.bytes(2 * (10_000_000 - 9 * frames - len(steps)))


def _candidates(data: bytes, signature: refused.Signature) -> npt.NDArray[np.intp]:
    """Return the offsets of whole frames at which all fixed bytes of ``signature`` occur."""
    values = np.frombuffer(data + bytes(1024), "u1")
    found = np.arange(0, len(data), 2)
    for offset, expected in signature.fixed:
        for index, byte in enumerate(expected):
            found = found[values[found + offset + index] == byte]
    return found


def test_no_beginning_of_ten_million_of_raw_pcm_is_refused() -> None:
    tried, seen = 0, set()
    for name, data in _beginnings():
        tried += len(data) // 2
        for signature in refused.SIGNATURES:
            for start in _candidates(data, signature):
                seen.add(signature.name)
                head = data[start : start + _HEAD_BYTES]
                assert signature.match(head) is not True, (name, signature.name)
    assert tried >= 10_000_000
    assert {"HTML", "MPEG-TS"} <= seen  # their fixed bytes occur, and the check decides


@pytest.mark.parametrize("value", range(-32768, 32768, 257))
def test_a_constant_is_never_refused(value: int) -> None:
    data = np.full(_HEAD_BYTES // 2, value, "<i2").tobytes()
    assert refusal(data) == ""
    assert refusal(data, at_end=False) == ""


def test_nearly_every_beginning_of_speech_is_decided_within_64_bytes() -> None:
    beginnings = [speech()[start : start + 64] for start in range(44, 200_000, 98)]
    open_ones = [head for head in beginnings if choose(head, "wav", MONO) is None]
    assert len(open_ones) < len(beginnings) / 100
    # The first bytes of an MPEG-TS packet, and of an MPEG audio frame.
    assert {head[:1] for head in open_ones} <= {b"G", b"\xff"}
    assert choose(b"\1\0", "wav", MONO) is not None
