"""Writes have the checksum that the store wants."""

import base64
import contextlib
import hashlib
import zlib
from collections.abc import AsyncIterator, Callable

import msgspec
import pytest

from storage.errors import StorageUnavailableError
from storage.s3.client.bucket import Bucket, BucketSettings
from storage.s3.client.checksums import Checksum
from storage.s3.writing.upload import Upload
from tests.faults import FaultyStore, Kind, faulty_store
from tests.s3_requests import Request
from tests.storage.conftest import bucket_settings

PART = b"part" * 2048
WRITES = {"PutObject", "UploadPart", "DeleteObjects"}
VARIABLE = "AWS_REQUEST_CHECKSUM_CALCULATION"
HEADERS: dict[Checksum, Callable[[bytes], bytes]] = {
    "md5": lambda body: hashlib.md5(body).digest(),
    "crc32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
    "sha256": lambda body: hashlib.sha256(body).digest(),
}


def header(checksum: Checksum) -> str:
    return "content-md5" if checksum == "md5" else f"x-amz-checksum-{checksum}"


@contextlib.asynccontextmanager
async def opened(settings: BucketSettings, checksum: Checksum = "") -> AsyncIterator[Bucket]:
    bucket = Bucket(msgspec.structs.replace(settings, checksum=checksum))
    await bucket.start()
    try:
        yield bucket
    finally:
        await bucket.stop()


async def write_all(bucket: Bucket) -> None:
    await bucket.put("key", b"content")
    upload = await Upload.create(bucket, "upload")
    await upload.put(2, b"end")
    await upload.put(1, PART)
    await upload.complete(len(PART) + 3)
    assert await bucket.get("upload") == PART + b"end"
    await bucket.delete(["key"])


def writes(store: FaultyStore) -> list[Request]:
    found = [request for request in store.requests if request.operation in WRITES]
    assert {request.operation for request in found} == WRITES
    return found


@pytest.mark.parametrize("checksum", HEADERS)
async def test_every_write_has_the_checksum_that_is_set(
    settings: BucketSettings, store: FaultyStore, checksum: Checksum
) -> None:
    async with opened(settings, checksum) as bucket:
        await write_all(bucket)
    assert {name for request in writes(store) for name in request.checksums} == {header(checksum)}
    values = [request.headers[header(checksum)] for request in writes(store)]
    digest = base64.b64encode(HEADERS[checksum](PART)).decode()
    assert values.count(digest) == 1


async def test_only_the_deletion_has_a_checksum_if_none_is_set(
    settings: BucketSettings, store: FaultyStore
) -> None:
    async with opened(settings) as bucket:
        await write_all(bucket)
    found = {request.operation: request.checksums for request in writes(store)}
    assert found == {"PutObject": set(), "UploadPart": set(), "DeleteObjects": {"content-md5"}}


async def test_the_variable_of_aws_tools_is_honoured_if_none_is_set(
    settings: BucketSettings, store: FaultyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "when_supported")
    async with opened(settings) as bucket:
        await write_all(bucket)
    assert all(request.checksums == {header("crc32")} for request in writes(store))


async def test_the_setting_overrides_the_variable_of_aws_tools(
    settings: BucketSettings, store: FaultyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "when_supported")
    async with opened(settings, "md5") as bucket:
        await write_all(bucket)
    assert all(request.checksums == {header("md5")} for request in writes(store))


@pytest.mark.parametrize("checksum", HEADERS)
async def test_a_store_that_wants_one_checksum_gets_it(
    settings: BucketSettings, store: FaultyStore, checksum: Checksum
) -> None:
    store.fail(
        Kind.UNCHECKED,
        lambda request: request.operation in WRITES and header(checksum) not in request.checksums,
    )
    async with opened(settings, checksum) as bucket:
        await write_all(bucket)
    async with opened(settings) as bucket:
        with pytest.raises(
            StorageUnavailableError, match=r"Content-MD5 OR .*; S3_CHECKSUM selects"
        ):
            await bucket.put("key", b"content")


@pytest.mark.parametrize("checksum", HEADERS)
async def test_a_real_store_takes_the_checksum(
    seaweedfs_url: str, prefix: str, checksum: Checksum
) -> None:
    part = PART * 1024  # the least that a part may have
    settings = bucket_settings(seaweedfs_url, prefix=prefix)
    with faulty_store(seaweedfs_url) as store:
        settings = msgspec.structs.replace(settings, endpoint_url=store.url)
        async with opened(settings, checksum) as bucket:
            await bucket.create("key", b"content")
            upload = await Upload.create(bucket, "upload")
            await upload.put(1, part)
            await upload.complete(len(part))
            assert await bucket.get("upload") == part
            await bucket.delete(["key", "upload"])
            assert await bucket.keys("") == []
            assert len(writes(store)) == 3


@pytest.mark.parametrize("before", ["md5", "crc32"])
async def test_an_upload_for_parts_with_another_checksum_is_started_again(
    settings: BucketSettings, before: Checksum
) -> None:
    async with opened(settings, before) as bucket:
        await (await Upload.create(bucket, "key")).put(2, PART)
        upload = await Upload.find(bucket, "key", len(PART))
        assert upload is not None
        assert upload.has_part(2)
    async with opened(settings, "sha256") as bucket:
        assert await Upload.find(bucket, "key", len(PART)) is None
        await write_all(bucket)
