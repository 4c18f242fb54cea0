"""A call keeps its session over a lost connection, and shares it with no other call."""

import asyncio
import json
import random
from pathlib import Path
from typing import Any, cast

import msgspec
from litestar import Litestar
from litestar.datastructures import State

from api.access.identity import OPEN_ACCESS
from api.clock import SystemClock
from api.cluster.socket_relay import SocketRelay
from api.dialects.events import Begin
from api.observe.metrics import Metrics
from api.observe.tracing import Tracing
from api.routes.call_sessions import CallSessions, metadata_of
from api.routes.call_socket import CallSocket
from api.routes.client_socket import RawWebSocket
from api.session.parameters import MAX_METADATA_BYTES, AudioParameters
from storage.local import LocalStorage
from storage.manifest import Manifest
from tests.api.conftest import new_registry
from tests.calls import dial, half_open_call, only_session, received, send, sessions
from tests.conftest import ManualClock
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


async def test_while_a_leg_of_a_call_is_connected_no_other_one_is_continued(
    service: Service,
) -> None:
    async with dial(service, user_id="open leg") as first:
        await send(first, [START, *MEDIA])
        await only_session(service, status="active", seconds=1, user_id="open leg")
        async with dial(service, user_id="open leg") as second:
            await send(second, [START, *MEDIA])
            await eventually(
                lambda: sessions(service, user_id="open leg"),
                lambda found: len(found) == 2,
                awaiting="the session of the second leg",
            )
            second.transport.abort()
        await eventually(
            lambda: sessions(service, user_id="open leg"),
            lambda found: sum(each["connections"] for each in found) == 1,
            awaiting="the end of the second leg",
        )
        async with dial(service, user_id="open leg") as third:
            await send(third, [START, *MEDIA, twilio.stop()])
        await eventually(
            lambda: sessions(service, user_id="open leg"),
            lambda found: [each["status"] for each in found] == ["active", "active", "completed"],
            awaiting="a session of the third connection",
        )


async def test_a_call_goes_on_while_its_half_open_connection_still_counts(
    service: Service,
) -> None:
    """What the platform sends while the service looks for a sign of life is recorded, too."""
    async with half_open_call(service, MEDIA[:25], user_id="half open") as stalled:
        async with dial(service, user_id="half open") as socket:
            await send(socket, [START, *MEDIA[50:75]])
            await asyncio.sleep(0.5)  # the service waits for the pong of the first connection
            await send(socket, [*MEDIA[75:], twilio.stop()])
        session = await only_session(service, user_id="half open")
        stalled.transport.abort()
    expected = decode_mulaw(AUDIO[:4000] + b"\xff" * 4000 + AUDIO[8000:])
    assert service.pcm(session["session_id"]) == expected
    assert {each["code"] for each in session["warnings"]} == {"call_interrupted", "call_gap"}


async def test_a_call_that_comes_back_twice_at_once_is_continued_by_one_connection(
    service: Service,
) -> None:
    async with half_open_call(service, MEDIA[:25], user_id="twice") as stalled:

        async def come_back() -> None:
            async with dial(service, user_id="twice") as socket:
                await send(socket, [START, *MEDIA[25:], twilio.stop()])

        await asyncio.gather(come_back(), come_back())
        found = await eventually(
            lambda: sessions(service, user_id="twice"),
            lambda found: [each["status"] for each in found] == ["completed"] * 2,
            awaiting="a continued and a new session",
        )
        stalled.transport.abort()
    first, second = (service.pcm(each["session_id"]) for each in found)
    assert first == decode_mulaw(AUDIO)
    assert second == decode_mulaw(b"\xff" * 4000 + AUDIO[4000:])  # from the start of the stream


async def test_the_call_of_another_user_or_dialect_is_another_call(service: Service) -> None:
    for user, dialect in (("ann", "twilio"), ("bob", "twilio"), ("ann", "signalwire")):
        async with dial(service, f"/api/ws/call/{dialect}", user_id=user) as socket:
            await send(socket, [START, *MEDIA])
            await received(socket)
            socket.transport.abort()
    await eventually(
        lambda: sessions(service, user_id="ann"),
        lambda found: len(found) == 2,
        awaiting="two sessions",
    )
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


ADDRESS = "http://127.0.0.1:9"  # nothing listens there
BEGIN = Begin(encoding="mulaw", sample_rate=8000, call_id="CA1")


class SharedStorage(LocalStorage):
    """A storage in which another process has the sessions ``elsewhere``."""

    elsewhere: frozenset[str] = frozenset()

    async def owner(self, manifest: Manifest) -> str | None:
        return ADDRESS if manifest.session_id in self.elsewhere else None


async def finds_newest(
    folder: Path, clock: ManualClock, *, legs: int, elsewhere: int, lease_seconds: float = 3600
) -> bool:
    """Return whether a call finds the newest of its sessions, of which the oldest are elsewhere."""
    storage = SharedStorage(folder, sync_interval_seconds=3600)
    await storage.start()
    registry = new_registry(storage, clock)
    relay = SocketRelay(
        max_message_bytes=1000, silence_seconds=1, with_credentials=True, metrics=Metrics()
    )
    calls = CallSessions(registry, relay, lease_seconds=lease_seconds)
    audio = AudioParameters(8000, 1, "pcm_s16le")
    made = [await calls.create(audio, "ann", "twilio", BEGIN, OPEN_ACCESS) for _ in range(legs)]
    for session in made:
        await session.release()
    storage.elsewhere = frozenset(str(each.session_id) for each in made[:elsewhere])
    app = Litestar(state=State({"tracing": Tracing()}), logging_config=None)
    scope = {"type": "websocket", "headers": [], "litestar_app": app, "path": "/api/ws/call"}
    scope |= {"raw_path": b"/api/ws/call", "query_string": b"", "subprotocols": [], "client": None}
    receive = asyncio.Queue[Any]().get
    socket = RawWebSocket(cast("Any", scope), cast("Any", receive), cast("Any", None))
    connection = CallSocket(socket, SystemClock(), Metrics())
    async with asyncio.timeout(20):
        found = await calls.find(connection, "ann", "twilio", BEGIN)
    await registry.shutdown()
    await storage.stop()
    return getattr(found, "session_id", None) == made[-1].session_id


async def test_a_call_finds_the_newest_of_its_sessions_that_no_process_has(
    tmp_path: Path, clock: ManualClock
) -> None:
    assert await finds_newest(tmp_path, clock, legs=2, elsewhere=0)


async def test_a_call_does_not_wait_for_ever_for_an_owner_that_does_not_answer(
    tmp_path: Path, clock: ManualClock
) -> None:
    assert not await finds_newest(tmp_path, clock, legs=1, elsewhere=1, lease_seconds=0.1)


async def test_a_call_whose_legs_are_in_several_processes_continues_none_of_them(
    tmp_path: Path, clock: ManualClock
) -> None:
    assert not await finds_newest(tmp_path, clock, legs=2, elsewhere=1)
