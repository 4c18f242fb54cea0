"""The manifest of a session in a bucket and its changed details agree, whoever puts them when."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from storage import details
from storage.details import DetailChanges, Details
from storage.errors import BadObjectError, RecordingNotFoundError
from storage.s3 import S3Storage
from storage.s3.keys import SessionKeys
from storage.s3.writing.manifests import read_manifest
from storage.s3.writing.recording import S3Recording
from tests.conftest import ManualClock
from tests.faults import FaultyStore, Kind
from tests.s3_requests import Match, Request
from tests.storage.s3.conftest import OpenS3, abandoned_session, manifest_of
from tests.storage.test_conformance import LATER, id_of

_AT_ONCE = 8


def nth(count: int, method: str, suffix: str) -> Match:
    """Return a match for the request number ``count`` with this method and end of its path."""
    seen = 0

    def matches(request: Request) -> bool:
        nonlocal seen
        is_one = request.method == method and request.path.endswith(suffix)
        seen += is_one
        return is_one and seen == count

    return matches


# Where a writer of a completed manifest may be paused.
MOMENTS: dict[str, Callable[[str], Match]] = {
    "before its first look at the details": lambda name: nth(1, "GET", f"{name}.meta.json"),
    "before its put": lambda name: nth(1, "PUT", f"{name}.json"),
    "before its second look": lambda name: nth(2, "GET", f"{name}.meta.json"),
}


async def change(storage: S3Storage, session_id: UUID, count: int) -> None:
    """Give the session ``count`` titles, some of them at the same time."""

    async def change_one(number: int) -> None:
        manifest = await storage.manifest(session_id)
        await storage.change(manifest, DetailChanges(title=f"{number}"))

    for start in range(0, count, _AT_ONCE):
        numbers = range(start, min(start + _AT_ONCE, count))
        await asyncio.gather(*map(change_one, numbers))


async def check_agreement(storage: S3Storage, session_id: UUID) -> Details:
    keys = SessionKeys(session_id)
    manifest = await read_manifest(storage._bucket, session_id)
    stored = details.decode(await storage._bucket.get(keys.details), keys.details)
    assert manifest.status == "completed"
    assert manifest.details == stored
    assert manifest.sha256 is not None
    return stored


# While a request waits. The client gives it up after 30 s.
_PAUSED_CHANGES = 200


async def check_completion(
    store: FaultyStore, reader: S3Storage, recording: S3Recording, match: Match, count: int
) -> None:
    pause = store.fail(Kind.STALLED, match, times=1)
    completing = asyncio.create_task(recording.complete(LATER))
    await asyncio.to_thread(pause.wait)
    paused_count = min(count, _PAUSED_CHANGES)
    await change(reader, id_of(recording), paused_count)
    pause.end()
    await asyncio.gather(completing, change(reader, id_of(recording), count - paused_count))
    await check_agreement(reader, id_of(recording))


@pytest.mark.parametrize("moment", MOMENTS)
async def test_changes_made_while_a_paused_writer_completes_are_in_the_manifest(
    store: FaultyStore, reader: S3Storage, recording: S3Recording, moment: str
) -> None:
    match = MOMENTS[moment](recording.manifest.session_id)
    await check_completion(store, reader, recording, match, 10)


@pytest.mark.long
@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_thousand_changes_made_while_a_paused_writer_completes_are_in_the_manifest(
    store: FaultyStore, reader: S3Storage, recording: S3Recording, moment: str
) -> None:
    match = MOMENTS[moment](recording.manifest.session_id)
    await check_completion(store, reader, recording, match, 1000)


async def test_changes_made_without_a_pause_agree_with_the_manifest(
    reader: S3Storage, recording: S3Recording
) -> None:
    session_id = id_of(recording)
    await asyncio.gather(change(reader, session_id, 40), recording.complete(LATER))
    await check_agreement(reader, session_id)


async def test_a_change_made_while_the_digest_is_added_keeps_digest_and_title(
    store: FaultyStore, open_s3: OpenS3, clock: ManualClock, tmp_path: Path
) -> None:
    session_id = await abandoned_session(open_s3, tmp_path / "one", clock)
    storage = open_s3(tmp_path / "other", digest_step_bytes=1000)
    await storage.start()
    recording = await storage.open(await storage.manifest(session_id))
    # The first put is that of the completion, the second adds the digest.
    pause = store.fail(Kind.STALLED, nth(2, "PUT", f"{session_id}.json"), times=1)
    assert (await recording.complete(LATER)).sha256 is None
    await asyncio.to_thread(pause.wait)
    changed = await storage.change(
        await storage.manifest(session_id), DetailChanges(title="Interview")
    )
    assert changed.title == (await storage.manifest(session_id)).title == "Interview"
    pause.end()
    await storage.stop()  # waits for the cleaning
    await storage._bucket.start()
    assert await check_agreement(storage, session_id) == Details(title="Interview")


async def test_the_last_change_wins_with_all_its_details(
    reader: S3Storage, recording: S3Recording
) -> None:
    completed = await recording.complete(LATER)
    await reader.change(completed, DetailChanges(title="a", metadata={"k": "1"}))
    await reader.change(completed, DetailChanges(title="b"))
    assert await check_agreement(reader, id_of(recording)) == Details(
        title="b", metadata={"k": "1"}
    )


async def test_a_session_without_changes_has_no_object_for_details(
    reader: S3Storage, recording: S3Recording
) -> None:
    await recording.complete(LATER)
    with pytest.raises(RecordingNotFoundError):
        await reader._bucket.get(SessionKeys(id_of(recording)).details)


async def test_damaged_details_stop_no_recording_and_are_not_replaced(
    writer: S3Storage,
    reader: S3Storage,
    recording: S3Recording,
    caplog: pytest.LogCaptureFixture,
) -> None:
    key = SessionKeys(id_of(recording)).details
    await reader._bucket.put(key, b"{")
    assert (await manifest_of(reader, recording)).title is None
    completed = await recording.complete(LATER)
    assert completed.status == "completed"
    assert f"{key}: left alone" in caplog.text
    with pytest.raises(BadObjectError):
        await reader.change(completed, DetailChanges(title="x"))
    await writer.delete(completed)
    with pytest.raises(RecordingNotFoundError):
        await reader._bucket.get(key)


@pytest.mark.parametrize("moment", ["PUT .meta.json", "PUT .json"])
async def test_a_change_beside_a_deletion_leaves_nothing(
    store: FaultyStore,
    writer: S3Storage,
    reader: S3Storage,
    recording: S3Recording,
    moment: str,
) -> None:
    completed = await recording.complete(LATER)
    session_id = id_of(recording)
    method, suffix = moment.split()
    pause = store.fail(Kind.STALLED, nth(1, method, f"{session_id}{suffix}"), times=1)
    changing = asyncio.create_task(reader.change(completed, DetailChanges(title="x")))
    await asyncio.to_thread(pause.wait)
    await writer.delete(completed)
    pause.end()
    with pytest.raises(RecordingNotFoundError):
        await changing
    assert not [key for key in await reader._bucket.keys("") if str(session_id) in key]
