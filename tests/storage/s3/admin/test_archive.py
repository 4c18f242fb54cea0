"""Sessions of a bucket, read and added without being a node."""

from collections.abc import AsyncIterator
from uuid import UUID

import msgspec
import pytest

from storage import details
from storage.archive import Derived
from storage.checkpoint import Checkpoint
from storage.details import DetailChanges, Details
from storage.errors import StorageUnavailableError
from storage.manifest import Manifest
from storage.s3 import BucketSettings, Keys, holds, open_archive
from storage.s3.admin.archive import BucketArchive
from storage.s3.client.bucket import Bucket
from storage.s3.keys import SessionKeys
from tests import engines
from tests.faults import FaultyStore
from tests.storage.conftest import new_manifest
from tests.storage.s3.conftest import LONG_AUDIO, PART_BYTES
from tests.storage.test_conformance import LATER


async def blocks(data: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@pytest.fixture
def manifest() -> Manifest:
    return new_manifest(user_id="alice").completed(Checkpoint(1, len(LONG_AUDIO)), LATER)


FILE = bytes(80) + LONG_AUDIO


async def test_an_upload_has_parts_of_one_size_and_the_manifest_is_put_last(
    bucket: Bucket, manifest: Manifest, store: FaultyStore, moto_url: str, prefix: str
) -> None:
    archive = BucketArchive(bucket, part_bytes=PART_BYTES)
    audio = await archive.put_audio(manifest, blocks(FILE))
    await archive.add(manifest, audio, Derived(b"waveform", b"digests"))
    puts = [each for each in store.requests if each.operation in {"PutObject", "UploadPart"}]
    assert puts[-1].path.endswith(f"{manifest.session_id}.json")
    kept = engines.objects(moto_url, prefix)
    assert kept[f"{manifest.session_id}.wav"] == FILE
    assert kept[f"{manifest.session_id}.sums"] == b"digests"
    assert len([key for key in kept if key.startswith("_index/")]) == 2
    assert engines.open_uploads(moto_url, prefix) == []


async def test_what_a_killed_deletion_has_left_does_not_count_for_a_session_that_is_added(
    bucket: Bucket, manifest: Manifest
) -> None:
    session = SessionKeys.of(manifest)
    await holds.begin_deletion(bucket, session)
    await bucket.put(session.details, details.encode(Details(title="of the deleted session")))
    archive = BucketArchive(bucket)
    audio = await archive.put_audio(manifest, blocks(FILE))
    await archive.add(manifest, audio, Derived(None, None))
    await archive.change(manifest, DetailChanges(hold=True))
    found = await archive.manifest(session.session_id)
    assert (found.hold, found.title) == (True, None)


async def test_an_upload_that_was_interrupted_is_aborted_by_the_next_one(
    bucket: Bucket, manifest: Manifest, moto_url: str, prefix: str
) -> None:
    archive = BucketArchive(bucket, part_bytes=PART_BYTES)

    async def failing() -> AsyncIterator[bytes]:
        async for block in blocks(FILE[: 2 * PART_BYTES]):
            yield block
        raise StorageUnavailableError("the source has gone")

    with pytest.raises(StorageUnavailableError):
        await archive.put_audio(manifest, failing())
    assert engines.open_uploads(moto_url, prefix) == []
    client, key = engines.client(moto_url), f"{prefix}{manifest.session_id}.wav"
    client.create_multipart_upload(Bucket=engines.BUCKET, Key=key)  # as a crash leaves it
    await archive.put_audio(manifest, blocks(FILE))
    assert engines.open_uploads(moto_url, prefix) == []
    assert engines.objects(moto_url, prefix)[f"{manifest.session_id}.wav"] == FILE


async def test_what_is_discarded_leaves_nothing_unless_the_session_was_added(
    bucket: Bucket, manifest: Manifest, moto_url: str, prefix: str
) -> None:
    archive = BucketArchive(bucket, part_bytes=PART_BYTES)
    audio = await archive.put_audio(manifest, blocks(FILE))
    await archive.discard(manifest, audio)
    assert engines.objects(moto_url, prefix) == {}
    audio = await archive.put_audio(manifest, blocks(FILE))
    await archive.add(manifest, audio, Derived(None, None))
    with pytest.raises(StorageUnavailableError, match="meanwhile"):
        await archive.add(manifest, audio, Derived(None, None))
    await archive.discard(manifest, audio)
    assert await archive.manifest(UUID(manifest.session_id)) == manifest


async def test_keys_of_its_own_sign_the_requests(
    seaweedfs_url: str, settings: BucketSettings
) -> None:
    settings = msgspec.structs.replace(settings, endpoint_url=seaweedfs_url)
    async with open_archive(settings) as archive:
        assert [each async for page in archive.session_ids() for each in page] == []
    async with open_archive(settings, Keys("other", "secret")) as archive:
        with pytest.raises(StorageUnavailableError):
            await anext(archive.session_ids())
