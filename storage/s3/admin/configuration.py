"""How a bucket is configured: lifecycle rules, versioning, object lock; and what that means."""

from collections.abc import Awaitable
from typing import Any

import aiohttp
from botocore.exceptions import BotoCoreError, ClientError

from storage.errors import StorageError
from storage.s3.client.bucket import Bucket
from storage.s3.keys import NODES, OUTBOX

PROBES = "_probe/"

_FORBIDDEN = 403
_GRANT = "grant the actions of infra/iam-policy-init.json for this check"
_EXPIRE = "let them expire: `sercuescribe bucket init --version-days DAYS`"


class FailedCheckError(Exception):
    """A check failed. ``advice`` replaces the general advice of the check."""

    def __init__(self, detail: str, advice: str = "") -> None:
        super().__init__(detail)
        self.advice = advice


async def answer_of(request: Awaitable[Any]) -> Any:
    """Return the answer to a request. Raises `FailedCheckError`."""
    try:
        return await request
    except (ClientError, BotoCoreError, aiohttp.ClientError, OSError, StorageError) as error:
        raise FailedCheckError(str(error)) from error


async def is_versioned(bucket: Bucket) -> bool:
    """Return whether the bucket keeps versions. Raises `FailedCheckError` if it does not say."""
    answer = await _configuration(bucket.client.get_bucket_versioning(Bucket=_name(bucket)))
    return "Status" in answer


async def check_lifecycle(bucket: Bucket) -> str:
    """Find out what becomes of uploads that a lost node has left."""
    days = [
        rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]
        for rule in await _lifecycle_rules(bucket)
        if "AbortIncompleteMultipartUpload" in rule
    ]
    if not days:
        raise FailedCheckError("no rule aborts old multipart uploads")
    return f"uploads are aborted after {min(days)} days"


async def check_versions(bucket: Bucket, key: str) -> str:
    """Find out what becomes of what is deleted. ``key`` is written and deleted."""
    if not await is_versioned(bucket):
        return "none: what is deleted is gone"
    days = await _days_of_versions(bucket, bucket.key(""))
    if bucket.settings.delete_versions:
        await _check_deletion(bucket, key)
        if days is None and await _days_of_versions(bucket, bucket.key(NODES)) is None:
            raise FailedCheckError(
                f"those of {NODES}, {OUTBOX} and {PROBES} stay and cost",
                "let them expire: `sercuescribe bucket init`",
            )
        return "S3_DELETE_VERSIONS=true removes those of deleted keys"
    if days is None:
        raise FailedCheckError(
            "deleted recordings, and the segments of every recording, which are as large as its "
            "audio, stay as versions and cost",
            f"set S3_DELETE_VERSIONS=true to remove them with their keys, or {_EXPIRE}",
        )
    return f"what is deleted stays for {days} days"


async def check_object_lock(bucket: Bucket) -> str:
    """Find out for how long objects stay whatever the service deletes."""
    request = bucket.client.get_object_lock_configuration(Bucket=_name(bucket))
    answer = (await _configuration(request)).get("ObjectLockConfiguration", {})
    locked = answer.get("Rule", {}).get("DefaultRetention")
    if not locked:
        return "none by default"
    time = f"{locked['Days']} days" if "Days" in locked else f"{locked['Years']} years"
    raise FailedCheckError(
        f"{locked['Mode']}: all objects, also segments and deleted recordings, stay as versions "
        f"for {time} and cost",
        f"use a bucket without a default retention, or afterwards {_EXPIRE}",
    )


async def _check_deletion(bucket: Bucket, key: str) -> None:
    for content in (b"first", b"second"):
        await bucket.put(key, content)
    await bucket.delete([key])
    listed = await answer_of(
        bucket.client.list_object_versions(Bucket=_name(bucket), Prefix=bucket.key(key))
    )
    if listed.get("Versions") or listed.get("DeleteMarkers"):
        raise FailedCheckError(
            "S3_DELETE_VERSIONS=true, and the store does not remove versions",
            f"grant s3:DeleteObjectVersion; if it is object lock, {_EXPIRE}",
        )


async def _days_of_versions(bucket: Bucket, prefix: str) -> int | None:
    """Return after how many days noncurrent versions below ``prefix`` expire."""
    try:
        rules = await _lifecycle_rules(bucket)
    except FailedCheckError:
        return None
    days = [
        rule["NoncurrentVersionExpiration"]["NoncurrentDays"]
        for rule in rules
        if "NoncurrentVersionExpiration" in rule and _covers(rule, prefix)
    ]
    return min(days, default=None)


def _covers(rule: Any, prefix: str) -> bool:
    """Return whether a rule is for everything below ``prefix``."""
    conditions = rule.get("Filter") or {"Prefix": rule.get("Prefix", "")}
    return set(conditions) == {"Prefix"} and prefix.startswith(conditions["Prefix"])


async def _lifecycle_rules(bucket: Bucket) -> list[Any]:
    request = bucket.client.get_bucket_lifecycle_configuration(Bucket=_name(bucket))
    answer = await answer_of(request)
    return [rule for rule in answer.get("Rules", []) if rule.get("Status") == "Enabled"]


async def _configuration(request: Awaitable[Any]) -> Any:
    """Return a part of the configuration; empty if the bucket, or the store, does not have it."""
    try:
        return await request
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == _FORBIDDEN:
            raise FailedCheckError(str(error), _GRANT) from error
        return {}  # ObjectLockConfigurationNotFoundError, NotImplemented, …
    except (BotoCoreError, aiohttp.ClientError, OSError) as error:
        raise FailedCheckError(str(error)) from error


def _name(bucket: Bucket) -> str:
    return bucket.settings.bucket
