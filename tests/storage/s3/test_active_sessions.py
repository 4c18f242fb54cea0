"""Active sessions are found by their markers, and those of dead nodes by their leases."""

from pathlib import Path
from uuid import UUID

import pytest

from storage.s3 import S3Storage
from storage.s3.keys import NODES, SessionKeys
from storage.s3.writing.recording import S3Recording
from tests.conftest import ManualClock
from tests.eventually import eventually
from tests.storage.conftest import new_manifest
from tests.storage.s3.conftest import OpenS3, expire_lease
from tests.storage.test_conformance import LATER


def id_of(recording: S3Recording) -> UUID:
    return UUID(recording.manifest.session_id)


def session_created_at(clock: ManualClock) -> UUID:
    """Return a UUID version 7 with the time of the clock (RFC 9562, section 5.7)."""
    milliseconds = int(clock.now().timestamp() * 1000)
    return UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62)


async def test_active_sessions_are_listed_oldest_first_and_completed_ones_are_not(
    writer: S3Storage,
) -> None:
    first, second, third = [await writer.create(new_manifest()) for _ in range(3)]
    await second.complete(LATER)
    assert await writer.active_sessions() == [id_of(first), id_of(third)]
    for each in (first, third):
        await each.release()


async def test_a_session_without_a_manifest_is_cleaned_up_after_an_hour(
    writer: S3Storage, clock: ManualClock
) -> None:
    keys = SessionKeys(session_created_at(clock))
    await writer._bucket.put(keys.active, b"")
    clock.seconds += 3500  # its creation may still be in progress
    assert await writer.active_sessions() == []
    assert await writer._bucket.keys(keys.active) == [keys.active]
    clock.seconds += 200
    assert await writer.active_sessions() == []
    await eventually(
        lambda: writer._bucket.keys(keys.active),
        lambda found: found == [],
        awaiting="the removal of the marker",
    )


async def test_a_damaged_manifest_does_not_hide_other_sessions(
    writer: S3Storage, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = [await writer.create(new_manifest()) for _ in range(2)]
    await writer._bucket.put(f"{id_of(first)}.json", b"{")
    assert await writer.active_sessions() == [id_of(second)]
    assert f"{id_of(first)}: left alone" in caplog.text
    for each in (first, second):
        await each.release()


async def test_the_sessions_of_a_node_are_orphans_after_its_lease(
    writer: S3Storage, reader: S3Storage, recording: S3Recording, clock: ManualClock
) -> None:
    assert await reader.orphans() == []
    await expire_lease(clock, reader)
    assert await reader.orphans() == [id_of(recording)]
    assert await reader._bucket.keys(NODES + writer._node.node_id)
    await recording.release()


async def test_a_dead_node_without_sessions_is_removed(
    open_s3: OpenS3, reader: S3Storage, clock: ManualClock, tmp_path: Path
) -> None:
    dead = open_s3(tmp_path / "dead")
    await dead.start()
    await dead._node.abandon()
    await expire_lease(clock, reader)
    assert await reader.orphans() == []
    assert await reader._bucket.keys(NODES) == [NODES + reader._node.node_id]
