"""If the store and the process die at any request, no promised audio is lost."""

import contextlib
import hashlib
import itertools
from pathlib import Path
from uuid import UUID

import pytest

from storage.checkpoint import Checkpoint, StreamCheckpoint
from storage.errors import RecordingNotFoundError, StorageUnavailableError
from storage.manifest import Manifest
from storage.s3 import S3Storage
from storage.s3.writing.recording import S3Recording
from tests import engines
from tests.audio import dat, pcm
from tests.conftest import ManualClock
from tests.faults import FaultyStore, Kind
from tests.storage.conftest import new_manifest
from tests.storage.s3.conftest import LEASE_SECONDS, PART_BYTES, OpenS3, expire_lease
from tests.storage.test_conformance import LATER, content

pytestmark = pytest.mark.long

AUDIO = pcm(4 * PART_BYTES // 2 + 1000)
INPUT = pcm(700, seed=9)
_CUTS = (0, 0, 9000, 20000, 28000, len(AUDIO))


def _checkpoint(chunk_count: int) -> Checkpoint:
    """Return the checkpoint after ``chunk_count`` chunks.

    The first three chunks belong to a stream whose input is kept.
    """
    pcm_bytes = _CUTS[chunk_count]
    kept = StreamCheckpoint(1, len(INPUT), pcm_bytes, b"")
    return Checkpoint(chunk_count, pcm_bytes, (kept,) if 1 <= chunk_count <= 3 else ())


class Writer:
    """Records until a request fails, and counts the written and the persisted chunks."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.written = self.persisted = 0
        self.created = False
        self.recording: S3Recording | None = None

    def die(self) -> None:
        """End the recording as a crash of its process does."""
        if self.recording is not None:
            self.recording.abandon()

    async def run(self, storage: S3Storage, until: int = len(_CUTS) - 1) -> None:
        self.recording = recording = await storage.create(self.manifest)
        self.created = True
        for chunk_count in range(1, until + 1):
            if chunk_count == 1:
                recording.keep_input(1, 0, INPUT)
            data = AUDIO[_CUTS[chunk_count - 1] : _CUTS[chunk_count]]
            recording.append(data, _checkpoint(chunk_count))
            self.written = chunk_count
            if chunk_count == 4:
                recording.drop_input(1)
            await recording.flush()
            self.persisted = recording.persisted.chunk_count
            await recording.upload()
        if until == len(_CUTS) - 1:
            await recording.complete(LATER)


async def take_over(storage: S3Storage, writer: Writer, at_least: int) -> int:
    """Take the session over and complete it; return the number of chunks it must hold."""
    session_id = UUID(writer.manifest.session_id)
    if session_id not in await storage.active_sessions():
        return len(_CUTS) - 1
    try:
        writer.recording = recording = await storage.open(await storage.manifest(session_id))
    except RecordingNotFoundError:  # opening it finished its completion
        chunk_count = (await storage.manifest(session_id)).chunk_count
        assert chunk_count >= at_least
        return chunk_count
    chunk_count = recording.checkpoint.chunk_count
    ended = Checkpoint(chunk_count, _CUTS[chunk_count])
    assert chunk_count >= at_least
    assert recording.checkpoint in (_checkpoint(chunk_count), ended)
    for stream in recording.checkpoint.streams:
        assert b"".join([block async for block in recording.read_input(stream.number)]) == INPUT
        recording.append(b"", ended)
        recording.drop_input(stream.number)
    await recording.complete(LATER)
    return chunk_count


async def check(storage: S3Storage, writer: Writer, chunk_count: int) -> None:
    session_id = UUID(writer.manifest.session_id)
    expected = AUDIO[: _CUTS[chunk_count]]
    manifest = await storage.manifest(session_id)
    assert (await content(await storage.audio(manifest)))[80:] == expected
    assert (manifest.status, manifest.chunk_count) == ("completed", chunk_count)
    assert manifest.size_bytes == 80 + len(expected)
    assert manifest.sha256 == hashlib.sha256(expected).hexdigest()


class Death:
    """Makes the store dead from its ``number``-th request on, with that one ``executed`` or not."""

    def __init__(self, store: FaultyStore, number: int, *, executed: bool) -> None:
        at = len(store.requests) + number
        self._store = store
        self._fault = store.fail(Kind.LOST_ANSWER, lambda request: request.number == at)
        store.die_at(at + 1 if executed else at)
        self._at = at

    def end(self) -> bool:
        """Revive the store; return whether the request was reached."""
        self._store.revive()
        self._fault.end()
        return len(self._store.requests) >= self._at


class Bucket:
    """The content of the bucket, read from the engine directly."""

    def __init__(self, url: str, prefix: str) -> None:
        self._url = url
        self._prefix = prefix

    def must_hold_only(self, writers: list[Writer]) -> None:
        ids = [writer.manifest.session_id for writer in writers]
        left = engines.objects(self._url, self._prefix)
        # A node that died leaves its lease; an aborted creation leaves its index entry.
        kept = {key for key in left if not key.startswith(("_index/time/", "_nodes/"))}
        assert kept == {
            f"{each}.{kind}" for each in ids for kind in ("wav", "json", "dat", "sums", "times")
        }
        for each in ids:
            assert left[f"{each}.dat"] == dat(left[f"{each}.wav"][80:], sample_rate=16000)
        assert len([key for key in left if key.startswith("_index/time/")]) == len(ids)
        assert engines.open_uploads(self._url, self._prefix) == []


@pytest.fixture
def in_bucket(moto_url: str, prefix: str) -> Bucket:
    return Bucket(moto_url, prefix)


async def exists(storage: S3Storage, writer: Writer) -> bool:
    try:
        await storage.manifest(UUID(writer.manifest.session_id))
    except RecordingNotFoundError:
        return False
    return True


async def remove_failed_creations(storage: S3Storage, clock: ManualClock) -> None:
    """Start a storage much later, so that it removes sessions whose creation failed."""
    clock.seconds += 365 * 24 * 3600
    await storage.start()
    assert await storage.active_sessions() == []
    await storage.stop()


@pytest.mark.parametrize(
    ("executed", "lost_disk"),
    [
        pytest.param(False, False, id="not executed, same node"),
        pytest.param(True, False, id="answer lost, same node"),
        pytest.param(True, True, id="answer lost, another node"),
    ],
)
async def test_a_crash_at_any_request_loses_no_audio_and_leaves_no_stale_objects(
    store: FaultyStore,
    open_s3: OpenS3,
    in_bucket: Bucket,
    clock: ManualClock,
    tmp_path: Path,
    *,
    executed: bool,
    lost_disk: bool,
) -> None:
    begun: list[Writer] = []
    for number in itertools.count(1):
        folder, writer = tmp_path / f"spool-{number}", Writer(new_manifest())
        storage = open_s3(folder)
        await storage.start()
        death = Death(store, number, executed=executed)
        with contextlib.suppress(StorageUnavailableError):
            await writer.run(storage)
        writer.die()
        await storage.stop()
        died = death.end()
        if lost_disk:
            folder = tmp_path / f"other-{number}"
        successor = open_s3(folder)
        await successor.start()
        await expire_lease(clock, successor)
        if await exists(successor, writer):
            begun.append(writer)
            at_least = writer.persisted if lost_disk else writer.written
            chunk_count = await take_over(successor, writer, at_least)
            await successor.stop()
            await check(successor, writer, chunk_count)
        else:
            assert not writer.created
        assert {path.name for path in folder.iterdir()} == {".node", ".lock"}
        if not died:
            break
    assert number > 25
    await remove_failed_creations(open_s3(tmp_path / "later"), clock)
    in_bucket.must_hold_only(begun)


async def test_a_second_crash_during_the_takeover_loses_no_audio(
    store: FaultyStore, open_s3: OpenS3, in_bucket: Bucket, clock: ManualClock, tmp_path: Path
) -> None:
    begun: list[Writer] = []
    for number in itertools.count(1):
        writer = Writer(new_manifest())
        begun.append(writer)
        storage = open_s3(tmp_path / f"first-{number}")
        await storage.start()
        await writer.run(storage, until=4)
        writer.die()
        await storage.stop()
        folder = tmp_path / f"second-{number}"  # a new folder: the spool of the first node is lost
        second = open_s3(folder)
        await second.start()
        death = Death(store, number, executed=True)
        with contextlib.suppress(StorageUnavailableError):
            await take_over(second, writer, writer.persisted)
        writer.die()
        await second.stop()
        died = death.end()
        clock.seconds += LEASE_SECONDS + 1
        third = open_s3(folder)
        await third.start()
        assert await take_over(third, writer, writer.persisted) in {4, len(_CUTS) - 1}
        await third.stop()
        await check(third, writer, 4)
        assert {path.name for path in folder.iterdir()} == {".node", ".lock"}
        if not died:
            break
    assert number > 20
    await remove_failed_creations(open_s3(tmp_path / "later"), clock)
    in_bucket.must_hold_only(begun)
