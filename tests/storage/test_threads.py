"""Lists do not delay reading, and neither of them delays recording."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from storage import threads
from storage.checkpoint import Checkpoint
from storage.local import LocalStorage
from storage.threads import ThreadPool
from tests.audio import pcm
from tests.storage.conftest import new_manifest

DATA = pcm(1000)


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[LocalStorage]:
    storage = LocalStorage(tmp_path)
    await storage.start()
    yield storage
    await storage.stop()


@contextlib.asynccontextmanager
async def busy(*pools: ThreadPool) -> AsyncIterator[None]:
    """Occupy every thread of ``pools``, with more calls waiting."""
    end = threading.Event()
    calls = [
        asyncio.ensure_future(pool.run(end.wait)) for pool in pools for _ in range(2 * pool.size)
    ]
    await asyncio.sleep(0)
    try:
        yield
    finally:
        end.set()
        await asyncio.gather(*calls)


async def test_a_session_is_recorded_while_all_threads_for_reading_and_listing_are_busy(
    storage: LocalStorage,
) -> None:
    async with asyncio.timeout(60), busy(threads.reading, threads.listing):
        recording = await storage.create(new_manifest())
        recording.append(DATA, Checkpoint(1, len(DATA)))
        await recording.flush()
        assert recording.persisted.chunk_count == 1
        await recording.release()
        manifest = await storage.manifest(UUID(recording.manifest.session_id))
        recording = await storage.open(manifest)
        assert (await recording.complete(datetime.now(UTC))).pcm_bytes == len(DATA)


async def test_audio_is_read_while_all_threads_for_listing_are_busy(
    storage: LocalStorage,
) -> None:
    recording = await storage.create(new_manifest())
    recording.append(DATA, Checkpoint(1, len(DATA)))
    async with asyncio.timeout(60), busy(threads.listing):
        audio = await recording.audio()
        read = b"".join([block async for block in audio.read(80, audio.size_bytes)])
        assert read == DATA
        assert (await audio.peaks()).length == 4
    await recording.release()


async def test_a_thread_of_its_own_runs_the_function_and_its_error_is_raised() -> None:
    assert await threads.listing.run(threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        await threads.reading.run(divmod, 1, 0)


async def test_a_call_that_is_to_finish_has_ended_when_its_cancelled_caller_ends() -> None:
    pool = ThreadPool("test", 1)
    started, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def write() -> None:
        started.set()
        go_on.wait(30)
        ended.set()

    caller = asyncio.create_task(pool.finish(write))
    await asyncio.to_thread(started.wait)
    waiting = asyncio.create_task(pool.finish(ended.clear))  # has not started, and never does
    await asyncio.sleep(0)
    waiting.cancel()
    caller.cancel()
    await asyncio.wait([waiting], timeout=30)
    assert waiting.cancelled()
    assert not caller.done()
    go_on.set()
    await asyncio.wait([caller], timeout=30)
    assert caller.cancelled()
    assert ended.is_set()
