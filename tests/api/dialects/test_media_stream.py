"""What several platforms share: tracks, and bounds on what is held."""

import pytest

from api.dialects.events import CallError, Malformed
from api.dialects.media_stream import tracks_of
from api.dialects.twilio import Twilio
from tests.platforms import twilio


@pytest.mark.parametrize(
    ("value", "tracks"),
    [
        (["outbound", "inbound"], ("inbound", "outbound")),
        (["inbound"], ("inbound",)),
        ("both_tracks", ("inbound", "outbound")),
        ("inbound_track", ("inbound",)),
        ([{"a": 1}, None], ()),
        (None, ()),
    ],
)
def test_tracks_are_in_the_order_of_the_channels(value: object, tracks: tuple[str, ...]) -> None:
    assert tracks_of(value) == tracks


def test_media_without_start_is_held_up_to_a_limit() -> None:
    stream = Twilio()
    media = twilio.media("inbound", 1, 0, b"\xff" * 160)
    with pytest.raises(CallError, match="start"):
        for _ in range(1000):
            stream.receive_text(media)


def test_a_binary_message_is_no_audio() -> None:
    (event,) = Twilio().receive_bytes(bytes(160))
    assert isinstance(event, Malformed)
