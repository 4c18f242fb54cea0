"""Files that the service recognises by their first bytes, and others."""

import pytest

from sercuescribe_client.cli.file_type import HEAD_BYTES, is_recognised
from tests.audio import encode, speech

ARGUMENTS = {
    "WAV": ("-f", "wav"),
    "RF64": ("-rf64", "always", "-f", "wav"),
    "FLAC": ("-f", "flac"),
    "Ogg": ("-c:a", "libopus", "-ar", "48000", "-f", "ogg"),
    "WebM": ("-c:a", "libopus", "-ar", "48000", "-f", "webm"),
    "MP4": ("-c:a", "aac", "-movflags", "frag_keyframe+empty_moov", "-f", "mp4"),
    "MP3 with a tag": ("-f", "mp3"),
    "MP3 without a tag": ("-id3v2_version", "0", "-write_xing", "0", "-f", "mp3"),
    "AAC": ("-c:a", "aac", "-f", "adts"),
}


@pytest.mark.parametrize("arguments", ARGUMENTS.values(), ids=ARGUMENTS)
def test_the_first_bytes_of_an_offered_format_are_recognised(arguments: tuple[str, ...]) -> None:
    assert is_recognised(encode(speech(), *arguments)[:HEAD_BYTES])


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\xff",
        bytes(12),
        b"some text...",
        b"RIFF\0\0\0\0AVI ",
        b"FORM\0\0\0\0AIFF",
        b"\x89PNG\r\n\x1a\n\0\0\0\r",
    ],
)
def test_other_bytes_are_not_recognised(head: bytes) -> None:
    assert not is_recognised(head)
