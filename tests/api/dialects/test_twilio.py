"""Twilio and SignalWire: every sample at its place, and nothing else."""

import random

import numpy as np
import pytest

from api.dialects.events import CallError, Dtmf, End, Malformed, Mark
from api.dialects.twilio import Twilio
from tests.api.dialects.hearing import events_of, hear
from tests.audio import pcm
from tests.platforms import by_turns, decode_mulaw, interleave, tone, twilio

AUDIO = random.Random(1).randbytes(24000)  # three seconds
OTHER = random.Random(2).randbytes(24000)


def test_both_tracks_become_left_and_right_sample_by_sample() -> None:
    heard = hear(Twilio(), twilio.call(AUDIO, OTHER))
    assert heard.pcm == interleave(decode_mulaw(AUDIO), decode_mulaw(OTHER))
    assert (heard.begin.sample_rate, heard.begin.channels) == (8000, 2)
    assert heard.events[-1] == End()
    assert heard.notices == []


def test_the_call_is_known_by_what_start_says() -> None:
    begin = hear(Twilio(), twilio.call(AUDIO, parameters={"Room": 7, "Deep": {"a": 1}})).begin
    assert begin.call_id == f"CA{1:032x}"
    assert begin.stream_id == f"MZ{1:032x}"
    assert begin.parameters == {"Room": "7"}


def test_marks_and_keys_are_no_audio() -> None:
    first, *rest = twilio.media_of("inbound", AUDIO)
    middle = [twilio.dtmf("1"), twilio.mark("label")]
    heard = hear(Twilio(), [twilio.start("inbound"), first, *middle, *rest])
    assert heard.pcm == decode_mulaw(AUDIO)
    assert heard.events[1:] == [Dtmf("1"), Mark("label")]


def test_media_that_precedes_start_is_recorded() -> None:
    early, *rest = twilio.media_of("inbound", AUDIO)
    assert hear(Twilio(), [early, twilio.start("inbound"), *rest]).pcm == decode_mulaw(AUDIO)


@pytest.mark.parametrize("order", ["<i2", ">i2"])
@pytest.mark.parametrize("rate", [16000, 24000])
def test_signalwire_streams_of_l16_are_recorded_in_either_byte_order(order: str, rate: int) -> None:
    audio = tone(rate * 3 // 2, rate)
    sent = np.frombuffer(audio, "<i2").astype(order).tobytes()
    media_format = {"encoding": "audio/x-l16", "sampleRate": str(rate), "channels": 1}
    size = rate // 25
    media = twilio.media_of("inbound", sent, size=size, bytes_per_ms=rate // 500)
    heard = hear(Twilio("signalwire"), [twilio.start("inbound", media_format=media_format), *media])
    assert heard.pcm == audio
    assert heard.begin.sample_rate == rate


@pytest.mark.parametrize("codec", ["G722", "OPUS", "AMR-WB"])
def test_a_codec_that_needs_a_container_is_refused_by_name(codec: str) -> None:
    start = twilio.start("inbound", media_format={"encoding": codec, "sampleRate": 16000})
    with pytest.raises(CallError, match=codec):
        events_of(Twilio(), [start])


@pytest.mark.parametrize(
    "bad",
    [
        "[" * 100_000,
        "nonsense",
        '{"event": "media", "media": 7}',
        '{"event": "media", "media": {"track": "inbound", "payload": "%%%"}}',
        '{"event": "media", "media": {"track": ["x"], "payload": ""}}',
        '{"event": "media", "media": {"track": "outbound", "payload": ""}}',
        twilio.start("inbound"),
        '{"event": "stop", "x": "' + "y" * 300_000 + '"}',
    ],
)
def test_a_message_that_cannot_be_read_harms_no_other(bad: str) -> None:
    first, *rest = twilio.media_of("inbound", AUDIO)
    heard = hear(Twilio(), [twilio.start("inbound"), first, bad, *rest])
    assert heard.pcm == decode_mulaw(AUDIO)
    assert [type(each) for each in heard.events[1:]] == [Malformed]


@pytest.mark.parametrize("start", ['{"event": "start"}', '{"event": "start", "start": [1]}'])
def test_a_start_without_tracks_is_refused(start: str) -> None:
    with pytest.raises(CallError, match="track"):
        events_of(Twilio(), [start])


def test_a_stream_without_start_is_refused() -> None:
    with pytest.raises(CallError, match="start"):
        events_of(Twilio(), twilio.media_of("inbound", AUDIO))


def test_a_track_that_begins_later_begins_at_its_time() -> None:
    inbound = list(twilio.media_of("inbound", AUDIO))
    outbound = list(twilio.media_of("outbound", OTHER[:8000], begin_ms=1500))
    merged = [*inbound[:75], *by_turns(inbound[75:], outbound)]
    heard = hear(Twilio(), [twilio.start("inbound", "outbound"), *merged])
    right = bytes(24000) + decode_mulaw(OTHER[:8000]) + bytes(8000)
    assert heard.pcm == interleave(decode_mulaw(AUDIO), right)
    assert heard.notices == []


def test_pcm_of_any_size_is_cut_at_frames() -> None:
    audio = pcm(8000)
    media_format = {"encoding": "L16", "sampleRate": 8000}
    messages = [twilio.media("inbound", 1, 0, audio)]
    heard = hear(Twilio(), [twilio.start("inbound", media_format=media_format), *messages])
    assert heard.pcm == audio
