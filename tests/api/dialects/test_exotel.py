"""Exotel: 16-bit PCM without tracks."""

import pytest

from api.dialects.exotel import Exotel
from tests.api.dialects.hearing import hear
from tests.platforms import exotel, tone


@pytest.mark.parametrize("rate", [8000, 16000, 24000])
def test_every_sample_is_recorded_at_its_rate(rate: int) -> None:
    audio = tone(rate * 2, rate)
    heard = hear(Exotel(), exotel.call(audio, rate))
    assert (heard.pcm, heard.begin.sample_rate, heard.notices) == (audio, rate, [])


def test_the_call_is_known_by_what_start_says() -> None:
    begin = hear(Exotel(), exotel.call(tone(8000, 8000))).begin
    assert (begin.call_id, begin.stream_id) == ("call-1", "stream-1")
    assert (begin.caller, begin.callee) == ("+911111111111", "+912222222222")
    assert begin.parameters == {"order": "7"}
