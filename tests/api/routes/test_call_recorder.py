"""What of a call cannot be recorded is a warning of its session, never silence without a word."""

import json
import random

import pytest

from tests.calls import dial, only_session, send
from tests.platforms import audiohook, decode_mulaw, twilio
from tests.service import Service

AUDIO = random.Random(1).randbytes(16000)
MEDIA = list(twilio.media_of("inbound", AUDIO))


@pytest.mark.parametrize(
    ("user", "bad", "code"),
    [
        ("json", "{" * 8192, "call_message_malformed"),
        (
            "base64",
            twilio.media("inbound", 9, 0, b"").replace('""', '"***"'),
            "call_message_malformed",
        ),
        ("track", twilio.media("outbound", 1, 0, bytes(160)), "call_message_malformed"),
        ("binary", bytes(8192), "call_message_malformed"),
        ("late", MEDIA[0], "call_audio_late"),
        ("again", twilio.start("inbound", "outbound"), "call_message_malformed"),
    ],
)
async def test_a_bad_message_is_a_warning(
    service: Service, user: str, bad: str | bytes, code: str
) -> None:
    async with dial(service, user_id=user) as socket:
        messages = [twilio.start("inbound"), *MEDIA[:50], bad, *MEDIA[50:]]
        await send(socket, [*messages, *[bad] * 20, twilio.stop()])
    session = await only_session(service, user_id=user)
    assert service.pcm(session["session_id"]) == decode_mulaw(AUDIO)
    assert {each["code"] for each in session["warnings"]} == {code}
    assert session["warning_count"] <= 7


async def test_a_gap_is_silence_at_its_place_and_a_warning(service: Service) -> None:
    async with dial(service, user_id="gap") as socket:
        await send(socket, [twilio.start("inbound"), *MEDIA[:40], *MEDIA[43:], twilio.stop()])
    session = await only_session(service, user_id="gap")
    expected = decode_mulaw(AUDIO[:6400] + b"\xff" * 480 + AUDIO[6880:])
    assert service.pcm(session["session_id"]) == expected
    (warning,) = session["warnings"]
    assert warning["code"] == "call_gap"
    assert "0.06 s" in warning["message"]


async def test_a_call_that_is_cut_off_has_all_that_came(service: Service) -> None:
    async with dial(service, user_id="cut") as socket:
        await send(socket, [twilio.start("inbound"), *MEDIA])
        await (await socket.ping())
        socket.transport.abort()
    session = await only_session(service, status="active", seconds=2, user_id="cut")
    assert session["total_chunks"] > 0


async def test_a_pause_of_the_platform_pauses_the_session(service: Service) -> None:
    client = audiohook.Client()
    async with dial(service, "/api/ws/call/audiohook", user_id="pause") as socket:
        await send(socket, [client.open(), AUDIO, client.message("paused")])
        await send(socket, [client.message("resumed", start="PT1S", discarded="PT2.5S"), AUDIO])
        await send(socket, [client.message("close", 1, reason="end")])
        await socket.wait_closed()
    session = await only_session(service, user_id="pause")
    assert service.pcm(session["session_id"]) == decode_mulaw(AUDIO) * 2
    assert (session["paused"], session["warnings"]) == (False, [])
    timeline = service.get(f"/api/audio/sessions/{session['session_id']}/timeline").json()
    assert [pause["frame"] for pause in timeline["pauses"]] == [8000]


async def test_marks_are_kept_in_the_timeline_and_keys_are_not(service: Service) -> None:
    marks = [{"name": "greeting"}, {"name": ""}, {"name": "x" * 300}]
    said = [json.dumps({"event": "mark", "streamSid": "MZ1", "mark": each}) for each in marks]
    key = json.dumps({"event": "dtmf", "streamSid": "MZ1", "dtmf": {"digit": "7"}})
    async with dial(service, user_id="marks") as socket:
        await send(socket, [twilio.start("inbound"), *MEDIA, *said, key, twilio.stop()])
    session = await only_session(service, user_id="marks")
    path = f"/api/audio/sessions/{session['session_id']}/timeline"
    timeline = service.get(path).json()
    assert [mark["label"] for mark in timeline["marks"]] == ["greeting", "x" * 200]
    assert session["warnings"] == []
