"""The doctor says what becomes of deleted objects."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uuid_utils.compat

from storage.s3 import BucketSettings, provision
from storage.s3.admin.configuration import FailedCheckError, check_object_lock, check_versions
from storage.s3.client.bucket import Bucket
from tests import engines
from tests.storage.s3.conftest import opened_bucket


@pytest.fixture(params=["moto_url", "seaweedfs_url"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@contextlib.asynccontextmanager
async def opened(url: str, name: str, **options: Any) -> AsyncIterator[Bucket]:
    settings = BucketSettings(bucket=name, prefix="p/", endpoint_url=url, **options)
    async with opened_bucket(settings) as bucket:
        yield bucket


def new_bucket(url: str, **options: Any) -> str:
    name = f"configured-{uuid_utils.compat.uuid7()}"
    engines.client(url).create_bucket(Bucket=name, **options)
    return name


async def initialise(bucket: Bucket, version_days: int | None = None) -> None:
    async for _ in provision(bucket.settings, ["*"], version_days):
        pass


async def test_without_versioning_and_locks_nothing_is_noted(engine: str) -> None:
    async with opened(engine, new_bucket(engine)) as bucket:
        assert await check_versions(bucket, "key") == "none: what is deleted is gone"
        assert await check_object_lock(bucket) == "none by default"


async def test_versions_that_stay_for_ever_are_noted_with_the_remedies(engine: str) -> None:
    name = new_bucket(engine)
    engines.client(engine).put_bucket_versioning(
        Bucket=name, VersioningConfiguration={"Status": "Enabled"}
    )
    async with opened(engine, name) as bucket:
        with pytest.raises(FailedCheckError, match="stay as versions and cost") as noted:
            await check_versions(bucket, "key")
        assert "S3_DELETE_VERSIONS=true" in noted.value.advice
        assert "bucket init --version-days" in noted.value.advice
    async with opened(engine, name, delete_versions=True) as bucket:
        with pytest.raises(FailedCheckError, match="those of _nodes/"):
            await check_versions(bucket, "key")
        await initialise(bucket)
        assert await check_versions(bucket, "key") == (
            "S3_DELETE_VERSIONS=true removes those of deleted keys"
        )
    async with opened(engine, name) as bucket:
        await initialise(bucket, version_days=30)
        assert await check_versions(bucket, "key") == "what is deleted stays for 30 days"


async def test_a_default_retention_is_noted_with_its_time(engine: str) -> None:
    name = new_bucket(engine, ObjectLockEnabledForBucket=True)
    engines.client(engine).put_object_lock_configuration(
        Bucket=name,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 7}},
        },
    )
    async with opened(engine, name, checksum="md5", delete_versions=True) as bucket:
        with pytest.raises(FailedCheckError, match=r"COMPLIANCE: .* for 7 days and cost"):
            await check_object_lock(bucket)
        with pytest.raises(FailedCheckError, match="the store does not remove versions"):
            await check_versions(bucket, "key")
