"""A call keeps its session over a lost connection, and shares it with no other call."""

import json
import random

import msgspec

from api.dialects.events import Begin
from api.routes.call_sessions import metadata_of
from api.session.parameters import MAX_METADATA_BYTES
from tests.calls import dial, only_session, received, send, sessions
from tests.eventually import eventually
from tests.platforms import decode_mulaw, telnyx, twilio
from tests.service import Service

AUDIO = random.Random(1).randbytes(16000)
START = twilio.start("inbound")
MEDIA = list(twilio.media_of("inbound", AUDIO))


async def test_a_lost_connection_leaves_the_session_to_the_same_call(service: Service) -> None:
    async with dial(service, user_id="lost") as socket:
        await send(socket, [twilio.connected(), START, *MEDIA[:50]])
        await received(socket)
        socket.transport.abort()
    await only_session(service, status="active", seconds=1, user_id="lost")
    async with dial(service, user_id="lost") as socket:
        restarted = list(twilio.media_of("inbound", AUDIO[8000:]))
        await send(socket, [twilio.connected(), START, *restarted, twilio.stop()])
    session = await only_session(service, user_id="lost")
    assert service.pcm(session["session_id"]) == decode_mulaw(AUDIO)
    assert [each["code"] for each in session["warnings"]] == ["call_interrupted"]


async def test_parallel_legs_of_one_call_are_sessions_of_their_own(service: Service) -> None:
    async with dial(service, user_id="legs") as first, dial(service, user_id="legs") as second:
        for socket in (first, second):
            await send(socket, [START, *MEDIA])
            await received(socket)
        await send(first, [twilio.stop()])
        await send(second, [twilio.stop()])
    await eventually(
        lambda: sessions(service, user_id="legs"),
        lambda found: [each["status"] for each in found] == ["completed"] * 2,
        awaiting="two sessions",
    )


async def test_the_call_of_another_user_or_dialect_is_another_call(service: Service) -> None:
    for user, dialect in (("ann", "twilio"), ("bob", "twilio"), ("ann", "signalwire")):
        async with dial(service, f"/api/ws/call/{dialect}", user_id=user) as socket:
            await send(socket, [START, *MEDIA])
            await received(socket)
            socket.transport.abort()
    assert len(await sessions(service, user_id="ann")) == 2
    await only_session(service, status="active", user_id="bob")


async def test_the_metadata_of_the_call_is_that_of_the_session(service: Service) -> None:
    parameters = {f"name {n}": "x" * 200 for n in range(60)} | {"call_id": "another"}
    async with dial(service, user_id="known") as socket:
        await send(socket, [telnyx.start(custom_parameters=parameters), *telnyx.call(AUDIO)[2:]])
    session = await only_session(service, user_id="known")
    found = session["metadata"]
    known = ("dialect", "call_id", "stream_id", "from", "to")
    assert [found[name] for name in known] == [
        "telnyx",
        "v3:call",
        "32DE0DEA",
        "+13122010094",
        "+13122123456",
    ]
    assert found["name 0"] == "x" * 200
    assert len(json.dumps(found)) < 4200


def test_the_metadata_of_a_call_are_never_more_than_those_of_a_session_may_be() -> None:
    long = "\U0001f600" * 256
    begin = Begin(
        encoding="mulaw", sample_rate=8000, call_id=long, stream_id=long, caller=long, callee=long
    )
    found = metadata_of("twilio", begin)
    assert list(found) == ["dialect", "call_id", "stream_id", "from"]
    assert len(msgspec.json.encode(found)) <= MAX_METADATA_BYTES


async def test_the_time_of_the_same_stream_goes_on_over_a_lost_connection(
    service: Service,
) -> None:
    async with dial(service, user_id="goes on") as socket:
        await send(socket, [START, *MEDIA[:25]])
        await received(socket)
        socket.transport.abort()
    await only_session(service, status="active", seconds=0.5, user_id="goes on")
    async with dial(service, user_id="goes on") as socket:
        await send(socket, [START, *MEDIA[50:], twilio.stop()])
    session = await only_session(service, user_id="goes on")
    expected = decode_mulaw(AUDIO[:4000] + b"\xff" * 4000 + AUDIO[8000:])
    assert service.pcm(session["session_id"]) == expected


async def test_a_close_frame_completes_the_session(service: Service) -> None:
    async with dial(service, user_id="framed") as socket:
        await send(socket, [START, *MEDIA])
    session = await only_session(service, user_id="framed")
    assert service.pcm(session["session_id"]) == decode_mulaw(AUDIO)
