"""A call that connects again goes on in its session, whichever process it reaches."""

import asyncio
import random
from collections.abc import Callable, Iterator

import pytest

from tests.audio import decode, encode, speech
from tests.calls import dial, disconnected, half_open_call, only_session, received, send, sessions
from tests.eventually import eventually
from tests.platforms import audiohook, binary, cut, decode_mulaw, twilio
from tests.service import Service

AUDIO = random.Random(1).randbytes(12000)
START = twilio.start("inbound")
MEDIA = list(twilio.media_of("inbound", AUDIO))  # 75 messages of 20 ms
LEASE_SECONDS = 4.0

Start = Callable[..., Service]


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of three workers on a volume."""
    folder = tmp_path_factory.mktemp("recordings")
    service = Service(folder, workers=3, lease_seconds=LEASE_SECONDS).start()
    yield service
    assert service.stop() == 0


async def test_a_call_goes_on_at_other_workers_and_ends_there(workers: Service) -> None:
    """A lost connection is lost for the worker that has the session, and a close frame is one."""
    for worker, end in ((1, 25), (2, 50)):
        async with dial(workers, worker=worker, user_id="moved") as socket:
            await send(socket, [START, *MEDIA[end - 25 : end]])
            await received(socket)
            socket.transport.abort()
        await disconnected(workers, seconds=end * 0.02, user_id="moved")
    async with dial(workers, worker=3, user_id="moved") as socket:
        await send(socket, [START, *MEDIA[50:]])
    session = await only_session(workers, user_id="moved")
    assert workers.pcm(session["session_id"]) == decode_mulaw(AUDIO)
    assert {each["code"] for each in session["warnings"]} == {"call_interrupted"}
    assert session["warning_count"] == 2


async def test_a_second_leg_that_reaches_another_worker_is_a_session_of_its_own(
    workers: Service,
) -> None:
    async with (
        dial(workers, worker=1, user_id="legs") as first,
        dial(workers, worker=2, user_id="legs") as second,
    ):
        for socket in (first, second):
            await send(socket, [START, *MEDIA])
            await eventually(
                lambda: sessions(workers, user_id="legs"), awaiting="the session of the leg"
            )
        await send(first, [twilio.stop()])
        await send(second, [twilio.stop()])
    found = await eventually(
        lambda: sessions(workers, user_id="legs"),
        lambda found: [each["status"] for each in found] == ["completed"] * 2,
        awaiting="two sessions",
    )
    for each in found:
        assert workers.pcm(each["session_id"]) == decode_mulaw(AUDIO)


async def test_a_call_goes_on_at_another_worker_while_its_half_open_connection_counts(
    workers: Service,
) -> None:
    async with half_open_call(workers, MEDIA[:40], worker=1, user_id="half open") as stalled:
        async with dial(workers, worker=2, user_id="half open") as socket:
            await send(socket, [START, *MEDIA[40:], twilio.stop()])
        session = await only_session(workers, user_id="half open")
        stalled.transport.abort()
    assert workers.pcm(session["session_id"]) == decode_mulaw(AUDIO)


async def test_a_call_goes_on_at_another_worker_when_its_own_is_killed(workers: Service) -> None:
    async with dial(workers, worker=1, user_id="killed") as socket:
        await send(socket, [START, *MEDIA[:40]])
        await only_session(workers, status="active", seconds=0.8, user_id="killed")
        workers.worker(1).kill()
        await socket.wait_closed()
    async with dial(workers, worker=2, user_id="killed") as socket:
        await send(socket, [START, *MEDIA[40:], twilio.stop()])
    session = await only_session(workers, user_id="killed")
    assert workers.pcm(session["session_id"]) == decode_mulaw(AUDIO)


async def test_a_call_in_g722_is_decoded_as_a_whole_over_the_kill_of_its_worker(
    workers: Service,
) -> None:
    codes = encode(speech(), "-ar", "16000", "-f", "g722")[:16000]
    first, *parts = binary.call(binary.media_start("g722"), codes, 160)
    async with dial(workers, worker=3, user_id="g722") as socket:
        await send(socket, [first, *parts[:60]])
        await only_session(workers, status="active", seconds=1.2, user_id="g722")
        workers.worker(3).kill()
        await socket.wait_closed()
    async with dial(workers, worker=2, user_id="g722") as socket:
        await send(socket, [first, *parts[60:]])
    session = await only_session(workers, user_id="g722")
    expected = decode(codes, sample_rate=16000, input_options=("-f", "g722"))
    assert workers.pcm(session["session_id"]) == expected


async def test_a_call_goes_on_at_another_node_and_is_answered_there_once(
    on_bucket: Start, objects: Callable[[], dict[str, bytes]]
) -> None:
    owner, other = on_bucket(), on_bucket()
    for node, part in ((owner, AUDIO[:8000]), (other, AUDIO[8000:])):
        client = audiohook.Client()
        async with dial(node, headers={"Audiohook-Session-Id": client.session_id}) as socket:
            await socket.send(client.open())
            assert '"opened"' in str(await socket.recv())
            await send(socket, cut(part, 3200))
            if node is owner:
                await only_session(node, status="active", seconds=0.5)
                socket.transport.abort()
                await disconnected(node, seconds=0.5)
                continue
            await socket.send(client.message("close", 1, reason="end"))
            assert '"closed"' in str(await socket.recv())
    session = await only_session(owner)
    assert (owner.stop(), other.stop()) == (0, 0)
    found = objects()
    assert found[f"{session['session_id']}.wav"][80:] == decode_mulaw(AUDIO)
    assert not any(key.startswith("_index/") for key in found)


async def test_a_call_goes_on_at_another_node_when_its_own_is_killed(
    on_bucket: Start, objects: Callable[[], dict[str, bytes]]
) -> None:
    """What was not persisted is silence, by the time of the platform."""
    settings = {"lease_seconds": LEASE_SECONDS, "segment_seconds": 0.2}
    owner, other = on_bucket(**settings), on_bucket(**settings)
    async with dial(owner) as socket:
        await send(socket, [START, *MEDIA[:40]])
        await eventually(
            lambda: sessions(owner),
            lambda found: found and found[0]["persisted_chunk_count"] > 0,
            awaiting="a segment",
        )
        owner.kill()
        await socket.wait_closed()
    async with dial(other) as socket:
        await send(socket, [START, *MEDIA[50:60]])
        await asyncio.sleep(0.1)  # the rest arrives while the lease has not ended yet
        await send(socket, [*MEDIA[60:], twilio.stop()])
    session = await only_session(other)
    assert other.stop() == 0
    audio = objects()[f"{session['session_id']}.wav"][80:]
    whole = decode_mulaw(AUDIO)
    assert len(audio) == len(whole)
    assert audio[16000:] == whole[16000:]
    kept = len(audio[:16000].rstrip(b"\0"))
    assert 0 < kept <= 2 * 6400
    assert audio[:kept] == whole[:kept]
    assert {each["code"] for each in session["warnings"]} == {"call_interrupted", "call_gap"}
