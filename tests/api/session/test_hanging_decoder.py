"""A decoder that hangs costs its own stream; nothing waits for it longer than its time limit."""

import asyncio
from collections.abc import AsyncIterator

import psutil
import pytest

from api.audio.ffmpeg.launcher import DecoderLauncher
from api.maintenance.expiry import Expiry
from api.session.core import SessionLimits
from api.session.found import Live
from api.session.parameters import AudioParameters
from api.session.registry import Registry
from api.session.session import Session
from api.wire.errors import SessionCompletedError
from storage.local import LocalStorage
from tests.api.conftest import ConnectionProbe, new_registry
from tests.conftest import ManualClock
from tests.eventually import eventually

# In front of a decoder that starts is a buffer of 1 MiB: the second chunk waits for the decoder.
_FIRST_CHUNK = b"\xff" * 1_000_000
_SECOND_CHUNK = b"\xff" * 1_500_000
_MULAW = AudioParameters(sample_rate=8000, channels=1, format="mulaw")


@pytest.fixture
def stall_seconds() -> float:
    return 3600.0


@pytest.fixture
async def registry(
    storage: LocalStorage,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    hanging_ffmpeg: str,
    stall_seconds: float,
) -> AsyncIterator[Registry]:
    monkeypatch.setattr("api.audio.ffmpeg.launcher.binary", lambda: hanging_ffmpeg)
    registry = new_registry(
        storage,
        clock,
        limits=SessionLimits(connection_timeout_seconds=5, session_idle_timeout_seconds=5),
        launcher=DecoderLauncher(stall_seconds=stall_seconds),
    )
    yield registry
    async with asyncio.timeout(60):
        await registry.shutdown()
    await eventually(
        lambda: [child for child in psutil.Process().children() if child.name() == "sleep"],
        lambda found: not found,
        awaiting="no child process",
    )


async def hanging_session(
    registry: Registry,
) -> tuple[Session, ConnectionProbe, asyncio.Task[None]]:
    """Return a session whose decoder hangs, and the task that waits for it with a chunk."""
    session, connection = await registry.create(_MULAW, None), ConnectionProbe()
    await session.attach(connection)
    await session.receive(connection, _FIRST_CHUNK)
    receiving = asyncio.create_task(session.receive(connection, _SECOND_CHUNK))
    await eventually(
        lambda: session.counts().chunk_count == 2, awaiting="a chunk that waits for the decoder"
    )
    return session, connection, receiving


async def test_a_session_can_be_deleted_while_its_decoder_hangs(registry: Registry) -> None:
    session, _, receiving = await hanging_session(registry)
    assert not receiving.done()
    async with asyncio.timeout(60):
        await registry.deletions.delete(Live(session))
        with pytest.raises(SessionCompletedError):
            await receiving


async def test_the_service_can_stop_while_a_decoder_hangs_and_no_audio_counts_as_lost(
    registry: Registry,
) -> None:
    session, _, receiving = await hanging_session(registry)
    assert not receiving.done()
    async with asyncio.timeout(60):
        await registry.shutdown()
        with pytest.raises(SessionCompletedError):
            await receiving
    found = await registry.lookup(str(session.session_id))
    info = await found.info()
    assert (info.status, info.total_chunks, info.error) == ("active", 2, None)


async def test_a_stream_that_is_aborted_while_a_new_file_begins_loses_nothing(
    registry: Registry,
) -> None:
    session, connection = await registry.create(_MULAW, None), ConnectionProbe()
    await session.attach(connection)
    await session.receive(connection, _FIRST_CHUNK[:20_000])
    await session.release()
    session = await registry.open(await registry.lookup(str(session.session_id)))
    successor = ConnectionProbe()
    await session.resume(successor)
    # It waits for the end of the file before, which is decoded for the second time.
    receiving = asyncio.create_task(session.receive(successor, b"RIFF\0\0\0\0WAVEfmt " + bytes(16)))
    await asyncio.wait([receiving], timeout=0.5)
    assert not receiving.done()
    async with asyncio.timeout(60):
        await session.release()
        with pytest.raises(SessionCompletedError):
            await receiving
    info = await (await registry.lookup(str(session.session_id))).info()
    assert (info.status, info.total_chunks, info.warnings) == ("active", 1, ())


@pytest.mark.parametrize("stall_seconds", [2.0])
async def test_a_session_whose_decoder_hangs_is_closed_with_an_error(registry: Registry) -> None:
    session, _, receiving = await hanging_session(registry)
    async with asyncio.timeout(60):
        info = await registry.close(Live(session))
        await asyncio.gather(receiving, return_exceptions=True)
    assert (info.status, info.total_chunks) == ("completed", 2)
    assert "neither read nor wrote" in (info.error or "")


async def test_sessions_whose_decoders_hang_do_not_hold_up_the_time_limits_of_others(
    registry: Registry, clock: ManualClock
) -> None:
    for _ in range(6):
        session, connection, receiving = await hanging_session(registry)
        del connection
        receiving.cancel()
        await asyncio.gather(receiving, return_exceptions=True)
        for each in session.connections:
            await session.detach(each)
    idle = await registry.create(AudioParameters(8000, 1, "wav"), None)
    clock.seconds = 6
    expiry = Expiry(registry)
    async with asyncio.timeout(60):
        while not idle.gone.is_set():
            await expiry.sweep()
