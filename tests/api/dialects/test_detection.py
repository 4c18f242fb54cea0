"""The dialect of a connection is found by the handshake and the first messages."""

import pytest

from api.dialects.detection import Handshake, dialect_of
from api.dialects.events import Begin, CallError
from tests.api.dialects.hearing import events_of, hear
from tests.audio import pcm
from tests.platforms import Message, audiohook, binary, exotel, plivo, telnyx, twilio

CODES = bytes(range(256)) * 50
PCM = pcm(16000)

CALLS: dict[str, list[Message]] = {
    "twilio": twilio.call(CODES),
    "signalwire": twilio.call(CODES, call_id="e6e3e5b0-93b7-4d5c-8d7f-1f2f3d4e5f60"),
    "telnyx": telnyx.call(CODES),
    "plivo": plivo.call(CODES),
    "exotel": exotel.call(PCM),
    "vonage": binary.call(binary.vonage(before=" "), PCM, 640),
    "asterisk": binary.call(binary.media_start(), CODES, 160),
    "jambonz": binary.call(binary.jambonz(), PCM, 320),
    "fork": binary.call('{"sampleRate": 8000}', PCM, 320),
    "audiohook": [audiohook.Client().open(), CODES],
    "livekit": ['{"muted":false}', PCM],
}


@pytest.mark.parametrize("name", CALLS)
def test_messages_show_the_dialect(name: str) -> None:
    found = dialect_of("auto", Handshake({}, {}))
    begin = hear(found, CALLS[name]).begin
    assert found.name == name
    named = dialect_of(name, Handshake({}, {}))
    assert hear(named, CALLS[name]).begin == begin


def test_asterisk_is_found_in_its_json_mode_and_behind_early_audio() -> None:
    found = dialect_of("auto", Handshake({}, {}))
    heard = hear(found, [CODES[:160], binary.media_start_json(), CODES])
    assert (found.name, len(heard.pcm)) == ("asterisk", 2 * (160 + len(CODES)))


@pytest.mark.parametrize(
    ("headers", "subprotocols", "name"),
    [
        ({"audiohook-session-id": "1"}, (), "audiohook"),
        ({"content-type": "audio/x-raw"}, (), "livekit"),
        ({}, ("audio.jambonz.org",), "jambonz"),
        ({}, ("audio.drachtio.org",), "fork"),
        ({}, ("media",), "asterisk"),
        ({"x-twilio-signature": "x"}, (), "auto"),
    ],
)
def test_the_handshake_shows_the_dialect(
    headers: dict[str, str], subprotocols: tuple[str, ...], name: str
) -> None:
    assert dialect_of("auto", Handshake(headers, {}, subprotocols)).name == name


def test_audio_without_any_text_is_what_the_query_says() -> None:
    found = dialect_of("auto", Handshake({}, {"sample_rate": "24000"}))
    heard = hear(found, [PCM])
    assert (heard.pcm, heard.begin.sample_rate, found.name) == (PCM, 24000, "stream")


def test_what_is_held_is_bounded() -> None:
    found = dialect_of("auto", Handshake({}, {"sample_rate": "8000"}))
    assert found.receive_bytes(bytes(500_000)) == []
    assert isinstance(found.receive_bytes(bytes(500_000))[0], Begin)
    with pytest.raises(CallError):
        dialect_of("auto", Handshake({}, {})).receive_bytes(bytes(600_000))


def test_messages_that_show_nothing_begin_nothing() -> None:
    found = dialect_of("auto", Handshake({}, {}))
    assert events_of(found, [telnyx.connected()] * 400) == []
    with pytest.raises(CallError, match="no known platform"):
        events_of(found, [telnyx.connected()] * 400)


def test_an_unknown_name_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(CallError, match="twilio"):
        dialect_of("tvilio", Handshake({}, {}))
