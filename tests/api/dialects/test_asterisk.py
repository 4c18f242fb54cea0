"""Asterisk's chan_websocket: MEDIA_START, then binary audio."""

import base64
import json
import random
from pathlib import Path

import pytest

from api.dialects.asterisk import Asterisk
from api.dialects.detection import Handshake, dialect_of
from api.dialects.events import Audio, Begin, CallError, Dtmf
from tests.api.dialects.hearing import events_of, hear
from tests.audio import decode, pcm
from tests.platforms import Message, binary, decode_mulaw

DATA = Path(__file__).parents[2] / "data" / "asterisk"
CODES = random.Random(1).randbytes(8000)


@pytest.mark.parametrize("first", [binary.media_start(), binary.media_start_json()])
def test_every_sample_is_recorded_in_the_text_and_the_json_mode(first: str) -> None:
    heard = hear(Asterisk({}), binary.call(first, CODES, 160))
    assert heard.pcm == decode_mulaw(CODES)
    assert (heard.begin.call_id, heard.begin.stream_id) == ("1764187200.1", "media_connection1")


@pytest.mark.parametrize(
    ("codec", "rate"), [("slin", 8000), ("slin16", 16000), ("slin24", 24000), ("slin48", 48000)]
)
def test_linear_formats_are_recorded_at_their_rate(codec: str, rate: int) -> None:
    audio = pcm(rate)
    heard = hear(Asterisk({}), binary.call(binary.media_start(codec), audio, rate // 25))
    assert (heard.pcm, heard.begin.sample_rate) == (audio, rate)


def test_audio_that_precedes_media_start_is_recorded() -> None:
    messages: list[Message] = [CODES[:160], CODES[160:320], binary.media_start(), CODES[320:]]
    assert hear(Asterisk({}), messages).pcm == decode_mulaw(CODES)


@pytest.mark.parametrize("query", [{"format": "ulaw"}, {"format": "mulaw", "sample_rate": "8000"}])
def test_without_media_start_the_query_counts(query: dict[str, str]) -> None:
    assert hear(Asterisk(query), [CODES]).pcm == decode_mulaw(CODES)


def test_without_media_start_and_query_the_call_is_refused() -> None:
    with pytest.raises(CallError, match="sample_rate"):
        events_of(Asterisk({}), [CODES])


@pytest.mark.parametrize("codec", ["opus", "g729", "slin7"])
def test_a_format_is_refused_by_its_name_with_those_of_asterisk_that_are_offered(
    codec: str,
) -> None:
    refusal = f"codec '{codec}' is not offered: choose ulaw, alaw, g722 or slin16"
    with pytest.raises(CallError, match=refusal):
        events_of(Asterisk({}), [binary.media_start(codec)])


@pytest.mark.parametrize(
    ("query", "messages"),
    [({}, [binary.media_start("g722"), CODES]), ({"format": "g722"}, [CODES])],
    ids=["by metadata", "by the query"],
)
def test_g722_has_16000_hz(query: dict[str, str], messages: list[Message]) -> None:
    dialect = Asterisk(query)
    events = [*events_of(dialect, messages), *dialect.stop_waiting()]
    assert isinstance(events[0], Begin)
    assert (events[0].encoding, events[0].sample_rate, events[0].channels) == ("g722", 16000, 1)
    assert events[1:] == [Audio(CODES)]


def test_a_rate_of_asterisk_that_is_not_offered_is_refused_with_those_that_are() -> None:
    with pytest.raises(CallError, match="12000 Hz is not offered: choose one of 8000, 16000"):
        events_of(Asterisk({}), [binary.media_start("slin12")])


def test_variables_and_the_query_are_parameters() -> None:
    first = binary.media_start_json(order="7")
    begin = hear(Asterisk({"queue": "sales", "from": "100"}), [first, CODES]).begin
    assert begin.parameters == {"queue": "sales", "order": "7", "channel": "WebSocket/rec/0x7f"}
    assert begin.caller == "100"


def test_keys_are_no_audio() -> None:
    heard = hear(Asterisk({}), [binary.media_start(), "DTMF_END digit:5 duration_ms:80", CODES])
    assert heard.events[1:] == [Dtmf("5")]


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("ulaw", "mulaw", 8000),
        ("ulaw-json", "mulaw", 8000),
        ("alaw-json", "alaw", 8000),
        ("slin16", "", 16000),
    ],
)
def test_what_asterisk_22_has_sent_is_recorded_sample_by_sample(
    name: str, codec: str, rate: int
) -> None:
    first, *encoded = json.loads((DATA / f"{name}.json").read_text())
    messages = [base64.b64decode(each) for each in encoded]
    found = dialect_of("auto", Handshake({}, {}))
    heard = hear(found, [first, *messages])
    data = b"".join(messages)
    options = ("-f", codec, "-ar", str(rate), "-ac", "1")
    expected = decode(data, sample_rate=rate, input_options=options) if codec else data
    assert (heard.pcm, heard.begin.sample_rate, found.name) == (expected, rate, "asterisk")
    assert heard.begin.call_id != ""
