"""What crashes have left in a bucket is found, and nothing that a session needs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from storage.details import DetailChanges
from storage.leftovers import Leftover
from storage.manifest import Manifest
from storage.s3 import S3Storage
from storage.s3.admin.leftovers import BucketLeftovers
from storage.s3.client.bucket import Bucket
from storage.s3.keys import SessionKeys
from storage.s3.writing.recording import S3Recording
from tests import engines
from tests.storage.archives import record
from tests.storage.conftest import new_manifest
from tests.storage.s3.conftest import AUDIO, LONG_AUDIO, OpenS3
from tests.storage.test_shared_links import link

LATER = datetime.now(UTC) + timedelta(days=2)


async def find(
    bucket: Bucket, spool: Path, before: datetime = LATER, *, keep_segments: bool = False
) -> tuple[list[Leftover], dict[str, object]]:
    left_alone: dict[str, object] = {}
    leftovers = BucketLeftovers(bucket, spool, keep_segments=keep_segments)
    return [each async for each in leftovers.find(before, left_alone.__setitem__)], left_alone


def kinds(found: list[Leftover]) -> list[str]:
    return sorted(each.kind for each in found)


async def leave(bucket: Bucket, url: str, prefix: str, session: SessionKeys) -> None:
    """Leave what a cleaning that never ran leaves of a completed session."""
    await bucket.put(session.segment(0), AUDIO)
    await bucket.put(session.epoch(1), b"{}")
    await bucket.put(session.input(1, 0, 1), b"input")
    await bucket.put(session.active, b"")
    engines.client(url).create_multipart_upload(Bucket=engines.BUCKET, Key=prefix + session.audio)


async def completed(writer: S3Storage) -> Manifest:
    manifest = await record(writer, AUDIO, user_id="alice")
    await writer.stop()  # waits for the cleaning
    return manifest


async def test_leftovers_of_completed_sessions_are_found_and_removed(
    writer: S3Storage, bucket: Bucket, moto_url: str, prefix: str, tmp_path: Path
) -> None:
    manifest = await completed(writer)
    before = engines.objects(moto_url, prefix)
    assert await find(bucket, tmp_path) == ([], {})
    await leave(bucket, moto_url, prefix, SessionKeys.of(manifest))
    spool = tmp_path / "2" / f"{manifest.session_id}.state"
    spool.mkdir(parents=True)
    (spool / "checkpoint").write_bytes(b"x")
    found, left_alone = await find(bucket, tmp_path)
    assert left_alone == {}
    assert kinds(found) == ["index entry", "segments", "spool", "upload"]
    for each in found:
        await each.remove()
        await each.remove()
    assert engines.objects(moto_url, prefix) == before
    assert engines.open_uploads(moto_url, prefix) == []
    assert list((tmp_path / "2").iterdir()) == []


async def test_links_of_a_session_without_a_manifest_are_found_and_removed(
    writer: S3Storage, bucket: Bucket, tmp_path: Path
) -> None:
    kept = SessionKeys.of(await completed(writer))
    gone = SessionKeys(UUID(new_manifest().session_id))
    for session in (kept, gone):
        await bucket.put(session.link(link(1).link_id), b"{}")
    found, left_alone = await find(bucket, tmp_path)
    assert left_alone == {}
    assert [(each.kind, each.name) for each in found] == [("shared links", bucket.url(gone.links))]
    await found[0].remove()
    assert await bucket.keys(gone.links) == []
    assert await bucket.keys(kept.links) != []


async def test_segments_that_are_to_be_kept_are_no_leftovers(
    writer: S3Storage, bucket: Bucket, moto_url: str, prefix: str, tmp_path: Path
) -> None:
    manifest = await completed(writer)
    session = SessionKeys.of(manifest)
    await bucket.put(session.segment(0), AUDIO)
    assert await find(bucket, tmp_path, keep_segments=True) == ([], {})
    await leave(bucket, moto_url, prefix, session)
    found, _ = await find(bucket, tmp_path, keep_segments=True)
    for each in found:
        await each.remove()
    assert await bucket.keys(session.folder) == [session.segment(0)]


async def test_nothing_of_an_active_session_is_a_leftover(
    writer: S3Storage, recording: S3Recording, bucket: Bucket, tmp_path: Path
) -> None:
    recording.append(LONG_AUDIO, recording.checkpoint.__class__(9, 2000 + len(LONG_AUDIO)))
    await recording.upload()
    assert await bucket.keys(f"{recording.manifest.session_id}/segments/") != []
    assert await find(bucket, tmp_path / "writer") == ([], {})


async def test_entries_and_epochs_of_sessions_that_were_never_created_are_found(
    bucket: Bucket, moto_url: str, prefix: str, tmp_path: Path
) -> None:
    manifest = new_manifest(user_id="alice", call_hash="ab" * 16)
    session = SessionKeys.of(manifest)
    marks = (session.active, *session.call(manifest.call_hash))
    names = (*marks, *session.index("alice"), session.epoch(1))
    for key in (*names, "_index/time/foreign", "_probe/one"):
        await bucket.put(key, b"")
    assert await find(bucket, tmp_path, datetime.now(UTC) - timedelta(hours=24)) == ([], {})
    found, _ = await find(bucket, tmp_path)
    assert kinds(found) == [*["index entry"] * 4, "probe", "segments"]
    for each in found:
        await each.remove()
    assert set(engines.objects(moto_url, prefix)) == {"_index/time/foreign"}


async def test_audio_without_a_manifest_and_damaged_sessions_are_left_alone_and_named(
    bucket: Bucket, moto_url: str, prefix: str, tmp_path: Path
) -> None:
    lost, damaged = (SessionKeys(UUID(new_manifest().session_id)) for _ in range(2))
    for session in (lost, damaged):
        await leave(bucket, moto_url, prefix, session)
    await bucket.put(damaged.manifest, b"{")
    (tmp_path / f"{lost.session_id}.state").mkdir()
    found, left_alone = await find(bucket, tmp_path)
    assert [each.name for each in found] == [bucket.url(lost.active)]
    assert "not a manifest" in str(left_alone[str(damaged.session_id)])
    assert left_alone[bucket.url(lost.folder)] == "it has audio and no manifest"
    assert "audio and no manifest" in str(left_alone[bucket.url(lost.audio)])
    assert len(left_alone) == 4


async def test_what_was_put_after_a_deletion_is_found(
    writer: S3Storage, bucket: Bucket, moto_url: str, prefix: str, tmp_path: Path
) -> None:
    manifest = await completed(writer)
    before = engines.objects(moto_url, prefix)
    deleted, lost = (SessionKeys(UUID(new_manifest().session_id)) for _ in range(2))
    for session in (deleted, lost):
        for key in (session.peaks, session.blocks, session.details, session.claim):
            await bucket.put(key, b"")
    await bucket.put(lost.audio, AUDIO)
    await bucket.put(SessionKeys.of(manifest).details, b"{}")
    assert await find(bucket, tmp_path, datetime.now(UTC) - timedelta(hours=24)) == ([], {})
    found, _ = await find(bucket, tmp_path)
    assert kinds(found) == ["block digests", "claim", "details", "waveform"]
    for each in found:
        await each.remove()
    left = set(engines.objects(moto_url, prefix)) - set(before)
    kept = [SessionKeys.of(manifest).details]
    kept += [lost.audio, lost.peaks, lost.blocks, lost.details, lost.claim]
    assert left == set(kept)


async def test_a_dead_session_of_another_node_is_no_leftover(
    open_s3: OpenS3, bucket: Bucket, tmp_path: Path
) -> None:
    storage = open_s3(tmp_path / "dead")
    await storage.start()
    abandoned = await storage.create(new_manifest())
    abandoned.abandon()
    await storage.stop()
    assert await find(bucket, tmp_path / "dead") == ([], {})


async def test_a_session_with_a_hold_is_left_alone_and_entries_of_deleted_ones_are_found(
    writer: S3Storage, bucket: Bucket, moto_url: str, prefix: str, tmp_path: Path
) -> None:
    manifest = await completed(writer)
    await writer.change(manifest, DetailChanges(hold=True))
    await leave(bucket, moto_url, prefix, SessionKeys.of(manifest))
    (entry,) = SessionKeys.of(new_manifest()).expiry(LATER)
    await bucket.put(entry, b"")
    found, _ = await find(bucket, tmp_path)
    assert [each.name for each in found] == [bucket.url(entry)]
