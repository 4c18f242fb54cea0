"""Plivo: no `connected`, timestamps in Unix milliseconds, and no `stop`."""

import random

import pytest

from api.dialects.plivo import Plivo
from tests.api.dialects.hearing import hear
from tests.platforms import decode_mulaw, plivo, tone

AUDIO = random.Random(1).randbytes(16000)


def test_every_sample_is_recorded_from_the_first_timestamp_on() -> None:
    heard = hear(Plivo(), plivo.call(AUDIO))
    assert (heard.pcm, heard.notices) == (decode_mulaw(AUDIO), [])


def test_l16_is_recorded_at_its_rate() -> None:
    audio = tone(24000, 16000)
    options = {"encoding": "audio/x-l16", "sample_rate": 16000}
    heard = hear(Plivo(), plivo.call(audio, size=640, bytes_per_ms=32, **options))
    assert (heard.pcm, heard.begin.sample_rate) == (audio, 16000)


def test_a_lost_message_is_silence() -> None:
    start, *media = plivo.call(AUDIO)
    heard = hear(Plivo(), [start, *media[:20], *media[21:]])
    assert heard.pcm == decode_mulaw(AUDIO[:3200] + b"\xff" * 160 + AUDIO[3360:])
    assert [each.code for each in heard.notices] == ["call_gap"]


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ("order=7;name=Jane", {"order": "7", "name": "Jane"}),
        ("{order=7, name=Jane}", {"order": "7", "name": "Jane"}),
        ('{"order": 7}', {"order": "7"}),
        ("", {}),
    ],
)
def test_extra_headers_are_parameters(headers: str, found: dict[str, str]) -> None:
    begin = hear(Plivo(), plivo.call(AUDIO, headers=headers)).begin
    assert begin.parameters == found
    assert (begin.call_id, begin.stream_id) == ("9d9d8a3e", "20170ada")
