"""What of a call cannot be recorded is a warning of its session, never silence without a word."""

import random

import pytest

from tests.calls import dial, only_session, send
from tests.platforms import decode_mulaw, twilio
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
