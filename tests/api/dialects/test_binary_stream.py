"""Audio that precedes the metadata is held, up to a limit."""

import pytest

from api.dialects.binary_stream import BinaryStream, width_of
from api.dialects.events import Audio, Begin, CallError


def test_audio_is_held_until_the_metadata_arrives() -> None:
    stream = BinaryStream("fork", {})
    assert stream.receive_bytes(b"ab") == []
    begin = Begin(encoding="l16", sample_rate=8000)
    assert stream.release(begin) == [begin, Audio(b"ab")]
    assert stream.receive_bytes(b"cd") == [Audio(b"cd")]


def test_more_than_two_seconds_are_not_held() -> None:
    stream = BinaryStream("fork", {"sample_rate": "8000", "format": "alaw", "channels": "2"})
    begin, audio = stream.receive_bytes(bytes(400_000))
    assert begin == Begin(encoding="alaw", sample_rate=8000, width=2)
    assert audio == Audio(bytes(400_000))


def test_without_metadata_and_query_the_call_is_refused() -> None:
    with pytest.raises(CallError, match="sample_rate"):
        BinaryStream("fork", {}).receive_bytes(bytes(400_000))


def test_more_than_two_channels_are_refused() -> None:
    with pytest.raises(CallError, match="3 channels"):
        width_of(3)
