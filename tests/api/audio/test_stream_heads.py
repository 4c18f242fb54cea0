"""What the decoder of a stream needs to go on behind a pause."""

from pathlib import Path

import pytest

from api.audio.formats import DecodeError, InputKind
from api.audio.stream_heads import MAX_HEAD_BYTES, find_head
from tests.audio import encode, pcm, speech, wav

BROWSERS = Path(__file__).parents[2] / "data" / "browsers"


def webm() -> bytes:
    return (BROWSERS / "chromium-250ms.webm").read_bytes()


@pytest.mark.parametrize(
    ("kind", "source", "begins"),
    [
        ("webm", "chromium-250ms.webm", b"\x1f\x43\xb6\x75"),
        ("mp4", "chromium-250ms.mp4", b"moof"),
        ("ogg", "firefox-250ms.ogg", b"OggS"),
    ],
)
def test_the_head_of_a_container_ends_where_its_audio_begins(
    kind: InputKind, source: str, begins: bytes
) -> None:
    data = (BROWSERS / source).read_bytes()
    head = find_head(kind, data)
    assert head is not None
    assert begins in data[head.length : head.length + 8]
    assert head.seconds == 0
    assert find_head(kind, data[: head.length - 1]) is None


def test_the_head_of_flac_and_wav_is_all_in_front_of_the_frames() -> None:
    flac = encode(speech(), "-f", "flac")
    head = find_head("flac", flac)
    assert head is not None
    assert flac[head.length : head.length + 1] == b"\xff"
    assert find_head("flac", flac[: head.length - 1]) is None
    audio = wav(pcm(10, channels=2), channels=2)
    head = find_head("wav", audio)
    assert head is not None
    assert (audio[head.length :], head.block_bytes) == (pcm(10, channels=2), 4)


@pytest.mark.parametrize(
    ("kind", "options", "samples"), [("mp3", ("-f", "mp3"), 576), ("aac", ("-f", "adts"), 1024)]
)
def test_the_head_of_frames_is_the_first_two_of_them(
    kind: InputKind, options: tuple[str, ...], samples: int
) -> None:
    data = encode(speech(), *options)
    head = find_head(kind, data)
    assert head is not None
    assert data[head.length] == 0xFF
    assert head.seconds == pytest.approx(2 * samples / 22_050)
    assert find_head(kind, data[: head.length - 1]) is None


def test_raw_samples_have_no_head() -> None:
    head = find_head("mulaw", b"\xff\xff")
    assert head is not None
    assert head.length == 0


def test_a_head_that_is_too_long_is_refused() -> None:
    with pytest.raises(DecodeError, match="too long"):
        find_head("webm", b"\x1a\x45\xdf\xa3" + bytes(MAX_HEAD_BYTES))
