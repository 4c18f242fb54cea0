"""Vonage: one text with the headers, then PCM."""

import pytest

from api.dialects.events import CallError, Dtmf
from api.dialects.vonage import Vonage
from tests.api.dialects.hearing import events_of, hear
from tests.audio import pcm
from tests.platforms import binary


@pytest.mark.parametrize("rate", [8000, 16000, 24000])
@pytest.mark.parametrize("before", ["", " "])
def test_every_sample_is_recorded_at_its_rate(rate: int, before: str) -> None:
    audio = pcm(rate)
    first = binary.vonage(rate, before=before)
    heard = hear(Vonage({}), binary.call(first, audio, rate // 25))
    assert (heard.pcm, heard.begin.sample_rate) == (audio, rate)


def test_audio_before_the_headers_is_recorded() -> None:
    audio = pcm(8000)
    heard = hear(Vonage({}), [audio[:640], binary.vonage(), audio[640:]])
    assert heard.pcm == audio


def test_headers_of_the_operator_are_parameters() -> None:
    begin = hear(Vonage({}), [binary.vonage(call_uuid="c1", order="7"), pcm(160)]).begin
    assert (begin.call_id, begin.parameters) == ("c1", {"order": "7"})


def test_keys_are_no_audio() -> None:
    pressed = '{"event":"websocket:dtmf","digit":"5","duration":260}'
    heard = hear(Vonage({}), [binary.vonage(), pressed, pcm(160)])
    assert heard.events[1:] == [Dtmf("5")]


def test_a_rate_that_is_not_offered_is_refused() -> None:
    with pytest.raises(CallError, match="11025 Hz"):
        events_of(Vonage({}), [binary.vonage(11025)])
