import pytest

from storage.errors import StorageError, StorageUnavailableError
from storage.s3.client.bucket import Bucket
from storage.s3.writing.upload import Upload, open_uploads
from tests.audio import pcm
from tests.faults import FaultyStore, Kind
from tests.s3_requests import is_a
from tests.storage.s3.conftest import PART_BYTES

KEY = "audio.wav"
AUDIO = pcm(PART_BYTES + 100)
FIRST, SECOND, LAST = AUDIO[:PART_BYTES], AUDIO[PART_BYTES:-200], AUDIO[-200:]


async def begun(bucket: Bucket) -> Upload:
    """Return an upload of all parts but the first, which is uploaded last."""
    upload = await Upload.create(bucket, KEY)
    await upload.put(2, SECOND)
    await upload.put(3, LAST)
    return upload


async def test_parts_form_one_object_in_the_order_of_their_numbers(bucket: Bucket) -> None:
    upload = await begun(bucket)
    await upload.put(1, FIRST)
    await upload.complete(len(AUDIO))
    assert await bucket.get(KEY) == AUDIO


async def test_the_next_writer_finds_the_upload_and_its_parts_of_full_size(bucket: Bucket) -> None:
    await begun(bucket)
    found = await Upload.find(bucket, KEY, PART_BYTES)
    assert found is not None
    assert [found.has_part(number) for number in (1, 2, 3)] == [False, True, False]
    assert found.next_number == 3
    await found.put(1, FIRST)
    await found.put(3, LAST)
    await found.complete(len(AUDIO))
    assert await bucket.get(KEY) == AUDIO


async def test_the_next_part_is_the_first_missing_one_after_part_one(bucket: Bucket) -> None:
    upload = await Upload.create(bucket, KEY)
    assert upload.next_number == 2
    await upload.put(1, FIRST)
    await upload.put(3, LAST)
    assert upload.next_number == 2
    await upload.put(2, SECOND)
    assert upload.next_number == 4


async def test_find_returns_none_for_a_key_without_an_upload(bucket: Bucket) -> None:
    await begun(bucket)
    assert await Upload.find(bucket, "audio", PART_BYTES) is None


async def test_find_keeps_one_of_several_uploads(bucket: Bucket) -> None:
    for _ in range(3):
        await begun(bucket)
    found = await Upload.find(bucket, KEY, PART_BYTES)
    assert found is not None
    assert len(await open_uploads(bucket, KEY)) == 1
    await found.abort()
    await found.abort()
    assert await open_uploads(bucket, KEY) == []


async def test_an_upload_with_a_missing_part_is_not_completed(bucket: Bucket) -> None:
    upload = await Upload.create(bucket, KEY)
    await upload.put(1, FIRST)
    await upload.put(3, LAST)
    with pytest.raises(StorageUnavailableError, match="parts"):
        await upload.complete(len(AUDIO))
    assert await bucket.keys(KEY) == []


async def test_a_part_uploaded_again_replaces_the_earlier_one(bucket: Bucket) -> None:
    upload = await begun(bucket)
    await upload.put(1, bytes(PART_BYTES))
    await upload.put(1, FIRST)
    await upload.complete(len(AUDIO))
    assert await bucket.get(KEY) == AUDIO


async def test_completing_again_after_a_lost_answer_succeeds(
    bucket: Bucket, store: FaultyStore
) -> None:
    upload = await begun(bucket)
    await upload.put(1, FIRST)
    fault = store.fail(Kind.LOST_ANSWER, is_a("CompleteMultipartUpload"), times=1)
    await upload.complete(len(AUDIO))
    await upload.complete(len(AUDIO))
    assert len(fault.hits) == 1
    assert await bucket.get(KEY) == AUDIO


async def test_completing_does_not_accept_another_object_under_the_key(
    bucket: Bucket,
) -> None:
    upload = await begun(bucket)
    await upload.put(1, FIRST)
    await upload.abort()
    await bucket.put(KEY, b"something else")
    with pytest.raises(StorageError):
        await upload.complete(len(AUDIO))
    assert await bucket.get(KEY) == b"something else"
