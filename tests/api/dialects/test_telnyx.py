"""Telnyx: the media shows the tracks, and its order is not guaranteed."""

import random

import numpy as np
import pytest

from api.dialects.events import CallError
from api.dialects.telnyx import Telnyx
from tests.api.dialects.hearing import events_of, hear
from tests.platforms import decode_mulaw, interleave, telnyx, tone

AUDIO = random.Random(1).randbytes(16000)
OTHER = random.Random(2).randbytes(16000)


def test_a_stream_of_one_track_is_mono() -> None:
    heard = hear(Telnyx(), telnyx.call(AUDIO))
    assert (heard.pcm, heard.begin.channels) == (decode_mulaw(AUDIO), 1)


def test_a_stream_of_both_tracks_is_stereo() -> None:
    heard = hear(Telnyx(), telnyx.call(AUDIO, OTHER))
    assert heard.pcm == interleave(decode_mulaw(AUDIO), decode_mulaw(OTHER))


@pytest.mark.parametrize("tracks", [[AUDIO], [AUDIO, OTHER]])
def test_messages_out_of_order_find_their_places(tracks: list[bytes]) -> None:
    connected, start, *media, stop = telnyx.call(*tracks)
    shuffled = random.Random(3)
    media = [
        each for _, each in sorted((at + 10 * shuffled.random(), m) for at, m in enumerate(media))
    ]
    heard = hear(Telnyx(), [connected, media[0], start, *media[1:], stop])
    left, *right = map(decode_mulaw, tracks)
    assert heard.pcm == (interleave(left, *right) if right else left)
    assert heard.notices == []


def test_a_call_shorter_than_the_decision_is_recorded() -> None:
    assert hear(Telnyx(), telnyx.call(AUDIO[:800])).pcm == decode_mulaw(AUDIO[:800])


def test_the_call_is_known_by_what_start_says() -> None:
    begin = hear(Telnyx(), telnyx.call(AUDIO)).begin
    assert (begin.call_id, begin.stream_id) == ("v3:call", "32DE0DEA")
    assert (begin.caller, begin.callee) == ("+13122010094", "+13122123456")
    assert begin.parameters["order"] == "7"


@pytest.mark.parametrize("order", ["<i2", ">i2"])
def test_l16_is_recorded_in_either_byte_order(order: str) -> None:
    audio = tone(24000, 16000)
    sent = np.frombuffer(audio, "<i2").astype(order).tobytes()
    media = telnyx.media_of("inbound", sent, size=640, bytes_per_ms=32)
    assert hear(Telnyx(), [telnyx.start("L16", 16000), *media, telnyx.stop()]).pcm == audio


@pytest.mark.parametrize("codec", ["G722", "OPUS", "AMR-WB"])
def test_a_codec_that_is_not_offered_is_refused_by_name(codec: str) -> None:
    with pytest.raises(
        CallError, match=f"codec '{codec}' is not offered: choose PCMU, PCMA or L16"
    ):
        events_of(Telnyx(), [telnyx.start(codec, 16000)])


def test_alaw_is_decoded() -> None:
    media = telnyx.media_of("inbound", b"\x55\xd5" * 80)
    heard = hear(Telnyx(), [telnyx.start("PCMA"), *media, telnyx.stop()])
    assert heard.pcm == np.array([-8, 8] * 80, "<i2").tobytes()
