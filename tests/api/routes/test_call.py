"""The endpoint without a greeting records the calls of every platform, and says nothing else."""

import asyncio
import contextlib
import json
import random
from collections.abc import Callable

import pytest
from websockets.exceptions import ConnectionClosed

from tests.audio import decode, pcm
from tests.calls import dial, only_session, received, send, sessions
from tests.platforms import (
    Message,
    audiohook,
    binary,
    cut,
    decode_mulaw,
    exotel,
    interleave,
    plivo,
    telnyx,
    tone,
    twilio,
)
from tests.service import Service

CODES = random.Random(1).randbytes(16000)
OTHER = random.Random(2).randbytes(16000)
STEREO = interleave(decode_mulaw(CODES), decode_mulaw(OTHER))
LINEAR = pcm(16000)
TONE = tone(16000, 8000)
WIDEBAND = decode(CODES, sample_rate=16000, input_options=("-f", "g722"))

# What each platform sends, what is recorded, at which rate, in how many channels.
CALLS: dict[str, tuple[list[Message], bytes, int, int]] = {
    "twilio": (twilio.call(CODES, OTHER), STEREO, 8000, 2),
    "signalwire": (twilio.call(CODES, call_id="e6e3e5b0"), decode_mulaw(CODES), 8000, 1),
    "telnyx": (telnyx.call(CODES, OTHER), STEREO, 8000, 2),
    "plivo": (plivo.call(CODES), decode_mulaw(CODES), 8000, 1),
    "exotel": (exotel.call(TONE), TONE, 8000, 1),
    "vonage": (binary.call(binary.vonage(24000), LINEAR, 960), LINEAR, 24000, 1),
    "asterisk": (binary.call(binary.media_start(), CODES, 160), decode_mulaw(CODES), 8000, 1),
    "asterisk-g722": (binary.call(binary.media_start("g722"), CODES, 160), WIDEBAND, 16000, 1),
    "fork": (binary.call('{"sampleRate": 32000}', LINEAR, 1280), LINEAR, 32000, 1),
    "jambonz": (binary.call(binary.jambonz(8000, "stereo"), LINEAR, 640), LINEAR, 8000, 2),
    "livekit": (['{"muted":false}', *cut(LINEAR, 3840)], LINEAR, 48000, 2),
}


@pytest.mark.parametrize("dialect", CALLS)
@pytest.mark.parametrize("named", ["named", "auto"])
async def test_every_sample_of_a_call_is_recorded_and_nothing_is_sent(
    service: Service, dialect: str, named: str
) -> None:
    messages, audio, sample_rate, channels = CALLS[dialect]
    user = f"{dialect}-{named}"
    path = f"/api/ws/call/{dialect.partition('-')[0]}" if named == "named" else "/api/ws/call"
    async with dial(service, path, user_id=user) as socket:
        await send(socket, messages)
    session = await only_session(service, user_id=user)
    assert service.pcm(session["session_id"]) == audio
    assert (session["sample_rate"], session["channels"]) == (sample_rate, channels)
    assert session["warning_count"] == 0
    with pytest.raises(ConnectionClosed):
        await socket.recv()
    assert socket.close_code in {1000, None}


async def test_audiohook_is_answered_in_its_protocol(service: Service) -> None:
    client, stereo = audiohook.Client(), bytes(random.Random(3).randbytes(16000))
    headers = {"Audiohook-Session-Id": client.session_id}
    async with dial(service, headers=headers, user_id="genesys") as socket:
        await socket.send(client.open())
        assert json.loads(await socket.recv())["type"] == "opened"
        await send(socket, cut(stereo, 3200))
        await socket.send(client.message("close", 1, reason="end"))
        assert json.loads(await socket.recv())["type"] == "closed"
    session = await only_session(service, user_id="genesys")
    assert service.pcm(session["session_id"]) == decode_mulaw(stereo)


async def test_a_probe_of_audiohook_makes_no_session(service: Service) -> None:
    client = audiohook.Client()
    probe = client.open(conversation_id="00000000-0000-0000-0000-000000000000")
    async with dial(service, "/api/ws/call/audiohook", user_id="probe") as socket:
        await send(socket, [probe, client.message("close", 1, reason="end")])
        await socket.wait_closed()
    assert socket.close_code == 1000
    assert await sessions(service, user_id="probe") == []


async def test_jambonz_finds_its_own_recorder(service: Service) -> None:
    offered = ("audio.jambonz.org",)
    async with dial(service, "/record/x", user_id="jambonz", subprotocols=offered) as socket:
        assert socket.subprotocol == "audio.jambonz.org"
        await send(socket, binary.call(binary.jambonz(8000, "stereo"), LINEAR, 640))
    session = await only_session(service, user_id="jambonz")
    assert service.pcm(session["session_id"]) == LINEAR


async def test_five_calls_at_once_are_sessions_of_their_own(service: Service) -> None:
    async def call(number: int) -> None:
        audio, user = random.Random(number).randbytes(8000 + 160 * number), f"one of five {number}"
        async with dial(service, user_id=user) as socket:
            for message in twilio.call(audio, call_id=f"CA{number:032x}"):
                await socket.send(message)
                await asyncio.sleep(0)
        session = await only_session(service, user_id=user)
        assert service.pcm(session["session_id"]) == decode_mulaw(audio)

    await asyncio.gather(*map(call, range(5)))


async def test_audio_before_its_metadata_waits_two_seconds_for_it(service: Service) -> None:
    async with dial(service, user_id="early", sample_rate=16000) as socket:
        await send(socket, cut(LINEAR, 640))
        session = await only_session(service, status="active", seconds=0.9, user_id="early")
    assert session["sample_rate"] == 16000


@pytest.mark.parametrize(
    ("path", "message", "reason"),
    [
        ("/api/ws/call/nonsense", "", "no dialect"),
        ("/api/ws/call/twilio", '{"event": "start", "start": {}}', "track"),
        ("/api/ws/call/telnyx", telnyx.start("OPUS"), "codec 'OPUS' is not offered"),
        ("/api/ws/call/asterisk", binary.media_start("g729"), "codec 'g729' is not offered"),
    ],
)
async def test_a_call_that_cannot_be_recorded_is_closed_with_the_reason(
    service: Service, path: str, message: str, reason: str
) -> None:
    async with dial(service, path) as socket:
        with contextlib.suppress(ConnectionClosed):  # an unknown name is refused at once
            await socket.send(message)
        await socket.wait_closed()
    assert socket.close_code == 1008
    assert reason in (socket.close_reason or "")


async def test_a_message_that_is_too_large_is_refused(service: Service) -> None:
    async with dial(service, "/api/ws/call/livekit") as socket:
        await socket.send(bytes(600_000))
        await socket.wait_closed()
    assert socket.close_code == 1009


async def test_audio_before_a_refused_message_is_recorded(service: Service) -> None:
    """Also what waits for a message that is missing in front of it."""
    media = list(twilio.media_of("inbound", CODES))
    async with dial(service, "/api/ws/call/twilio", user_id="refused") as socket:
        await send(socket, [twilio.start("inbound"), *media[:20], *media[21:40], bytes(600_000)])
        await socket.wait_closed()
    assert socket.close_code == 1009
    session = await only_session(service, status="active", seconds=0.8, user_id="refused")
    assert [each["code"] for each in session["warnings"]] == ["call_gap"]


async def test_a_connection_without_metadata_is_closed(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(handshake_timeout_seconds=0.3)
    async with dial(service) as socket:
        await socket.wait_closed()
    assert (socket.close_code, "no metadata" in (socket.close_reason or "")) == (1008, True)


async def test_a_session_that_is_closed_over_http_closes_the_call(service: Service) -> None:
    async with dial(service, user_id="closed") as socket:
        await send(socket, binary.call(binary.jambonz(), LINEAR, 320))
        session = await only_session(service, status="active", seconds=1, user_id="closed")
        await asyncio.to_thread(service.post, f"/api/audio/sessions/{session['session_id']}/close")
        await socket.wait_closed()
    assert socket.close_code == 1000


async def test_a_session_that_is_closed_over_http_has_all_that_came(service: Service) -> None:
    """Also what waits for a message that is missing in front of it."""
    media = list(twilio.media_of("inbound", CODES))
    async with dial(service, user_id="held") as socket:
        await send(socket, [twilio.start("inbound"), *media[:20], *media[21:37]])
        session = await only_session(service, status="active", user_id="held")
        await received(socket)
        await asyncio.to_thread(service.post, f"/api/audio/sessions/{session['session_id']}/close")
        await socket.wait_closed()
    session = await only_session(service, user_id="held")
    expected = decode_mulaw(CODES[: 20 * 160] + b"\xff" * 160 + CODES[21 * 160 : 37 * 160])
    assert service.pcm(session["session_id"]) == expected
    assert [each["code"] for each in session["warnings"]] == ["call_gap"]


async def test_the_native_endpoint_does_not_offer_the_rates_of_calls(service: Service) -> None:
    async with service.connect(sample_rate=24000) as client:
        assert (await client.receive())["code"] == "invalid_sample_rate"


async def test_a_call_survives_the_kill_of_the_service_and_goes_on_in_its_session(
    start_service: Callable[..., Service],
) -> None:
    service = start_service()
    first, second = list(cut(LINEAR, 320))[:60], list(cut(LINEAR, 320))[60:]
    async with dial(service) as socket:
        await send(socket, [binary.jambonz(), *first])
        await received(socket)
        await only_session(service, status="active", seconds=len(first) * 0.02)
        service.kill()
    await asyncio.to_thread(service.start)
    async with dial(service) as socket:  # also before the session is taken over
        await send(socket, [binary.jambonz(), *second])
    session = await only_session(service)
    assert service.pcm(session["session_id"]) == LINEAR
    assert [each["code"] for each in session["warnings"]] == ["call_interrupted"]
