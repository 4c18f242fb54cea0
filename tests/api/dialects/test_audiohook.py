"""Genesys AudioHook: the service answers in its protocol, and positions are samples."""

import json
import random
from typing import Any

import pytest

from api.dialects.audiohook import AudioHook
from api.dialects.events import Begin, CallError, End, Gap, Malformed, Pause, Reply, Resume
from tests.api.dialects.hearing import events_of, hear
from tests.platforms import Message, audiohook, decode_mulaw

CODES = random.Random(1).randbytes(16000)  # a second of stereo


def replies(events: list[Any]) -> list[dict[str, Any]]:
    return [json.loads(each.text) for each in events if isinstance(each, Reply)]


def test_a_stereo_offer_is_chosen_and_recorded_sample_by_sample() -> None:
    client = audiohook.Client()
    heard = hear(AudioHook({}), [client.open(), CODES, client.message("close", 1, reason="end")])
    opened, closed = replies(heard.events)
    assert opened["type"] == "opened"
    assert opened["parameters"]["media"] == [audiohook.STEREO]
    assert (opened["seq"], opened["clientseq"], opened["id"]) == (1, 1, client.session_id)
    assert (closed["type"], closed["seq"], closed["clientseq"]) == ("closed", 2, 2)
    assert heard.pcm == decode_mulaw(CODES)
    assert heard.begin.channels == 2
    assert heard.events[-1] == End()


def test_the_call_is_known_by_the_conversation() -> None:
    begin = hear(AudioHook({}), [audiohook.Client().open(), CODES]).begin
    assert begin.call_id == audiohook.CALL
    assert (begin.caller, begin.callee) == ("+1-555-555-1234", "+1-800-555-6789")


def test_a_mono_offer_is_taken_if_there_is_no_other() -> None:
    heard = hear(AudioHook({}), [audiohook.Client().open(audiohook.MONO), CODES])
    assert heard.begin.channels == 1


def test_a_ping_is_answered() -> None:
    client = audiohook.Client()
    events = events_of(AudioHook({}), [client.open(), client.message("ping", 1)])
    assert [each["type"] for each in replies(events)] == ["opened", "pong"]


def test_a_pause_is_a_gap_of_the_length_that_was_discarded() -> None:
    client = audiohook.Client()
    messages: list[Message] = [
        client.open(),
        CODES,
        client.message("paused"),
        client.message("resumed", start="PT1S", discarded="PT2.5S"),
        CODES,
    ]
    heard = hear(AudioHook({}), messages)
    assert heard.pcm == decode_mulaw(CODES) + bytes(4 * 20000) + decode_mulaw(CODES)
    gap = Gap(20000, "discarded")
    assert list(heard.events[2:]) == [Pause(), gap, Resume()]


@pytest.mark.parametrize("start", ["PT1", "1", "PT99999999999999S", None, 7])
def test_a_time_that_cannot_be_read_is_no_gap(start: object) -> None:
    client = audiohook.Client()
    gap = client.message("discarded", start=start, discarded="PT1S")
    messages: list[Message] = [client.open(), gap, CODES]
    heard = hear(AudioHook({}), messages)
    assert heard.pcm == decode_mulaw(CODES)
    assert any(isinstance(each, Malformed) for each in heard.events)


def test_a_probe_of_the_connection_is_answered_and_not_recorded() -> None:
    client = audiohook.Client()
    probe = client.open(conversation_id="00000000-0000-0000-0000-000000000000")
    events = events_of(AudioHook({}), [probe, client.message("close", 1, reason="end")])
    assert [each["type"] for each in replies(events)] == ["opened", "closed"]
    assert not any(isinstance(each, Begin) for each in events)


@pytest.mark.parametrize("media", [audiohook.STEREO | {"format": "L16"}, {"type": "video"}])
def test_an_offer_without_pcmu_is_refused(media: dict[str, Any]) -> None:
    with pytest.raises(CallError, match="PCMU"):
        events_of(AudioHook({}), [audiohook.Client().open(media)])
