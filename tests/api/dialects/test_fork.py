"""mod_audio_fork, jambonz and mod_audio_stream: PCM with metadata, or without."""

import pytest

from api.dialects.events import Dtmf, End
from api.dialects.fork import Fork
from tests.api.dialects.hearing import hear
from tests.audio import pcm
from tests.platforms import binary


@pytest.mark.parametrize(("mix", "channels"), [("mono", 1), ("mixed", 1), ("stereo", 2)])
@pytest.mark.parametrize("rate", [8000, 16000, 24000])
def test_every_sample_is_recorded_as_the_metadata_says(mix: str, channels: int, rate: int) -> None:
    audio = pcm(rate, channels=channels)
    heard = hear(Fork("jambonz", {}), binary.call(binary.jambonz(rate, mix), audio, rate // 25))
    assert heard.pcm == audio
    assert (heard.begin.sample_rate, heard.begin.channels) == (rate, channels)


def test_the_call_is_known_by_the_metadata() -> None:
    begin = hear(Fork("jambonz", {}), [binary.jambonz(), pcm(160)]).begin
    assert (begin.call_id, begin.caller, begin.callee) == (
        "df09e8d4",
        "+15551230001",
        "+15551230002",
    )
    assert begin.parameters["direction"] == "inbound"


@pytest.mark.parametrize("text", ['{"cut": "at 8192 by', "any text", "[1, 2]"])
def test_any_metadata_leaves_the_query_to_say_the_rate(text: str) -> None:
    audio = pcm(16000, channels=2)
    query = {"sample_rate": "16000", "channels": "2", "call_id": "c1"}
    heard = hear(Fork("fork", query), [text, *binary.call("more", audio, 640)])
    assert heard.pcm == audio
    assert (heard.begin.sample_rate, heard.begin.channels, heard.begin.call_id) == (16000, 2, "c1")


def test_audio_without_metadata_is_what_the_query_says() -> None:
    audio = pcm(8000)
    heard = hear(Fork("stream", {"sample_rate": "8000"}), binary.call("", audio, 320)[1:])
    assert heard.pcm == audio


def test_messages_may_cut_samples() -> None:
    audio = pcm(8000, channels=2)
    heard = hear(Fork("jambonz", {}), binary.call(binary.jambonz(8000, "stereo"), audio, 333))
    assert heard.pcm == audio


def test_an_empty_message_ends_the_call() -> None:
    heard = hear(Fork("fork", {}), [binary.jambonz(), pcm(160), b""])
    assert heard.events[-1] == End()


def test_keys_are_no_audio() -> None:
    pressed = '{"event":"dtmf","dtmf":"2","duration":"1600"}'
    heard = hear(Fork("jambonz", {}), [binary.jambonz(), pressed, pcm(160)])
    assert heard.events[1:] == [Dtmf("2")]
