"""What a bucket should have before the service uses it: itself, lifecycle rules, CORS.

Other rules of the bucket stay: the service's rules are known by their ids.
"""

import contextlib
import functools
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from botocore.exceptions import BotoCoreError, ClientError

from storage.errors import StorageUnavailableError
from storage.s3.admin.configuration import PROBES, FailedCheckError, is_versioned
from storage.s3.client.bucket import Bucket, BucketSettings
from storage.s3.keys import NODES, OUTBOX

_RULE_PREFIX = "sercuescribe-"
_UPLOAD_DAYS = 7
_PROBE_DAYS = 1
_CORS_SECONDS = 3600
_AWS_DEFAULT_REGION = "us-east-1"  # which must not be named: S3 API, "CreateBucket"


async def provision(
    settings: BucketSettings, origins: list[str], version_days: int | None = None
) -> AsyncIterator[str]:
    """Prepare the bucket step by step; yield a line for each. May be repeated.

    In a bucket with versioning, versions of deleted and replaced objects expire after
    ``version_days``; None leaves that as it is.
    Raises `StorageUnavailableError` if the bucket cannot be created or reached.
    """
    bucket = Bucket(settings)
    await bucket.start()
    try:
        yield await _create(bucket)
        for step in (
            functools.partial(_set_lifecycle, bucket, version_days),
            functools.partial(_allow_origins, bucket, origins),
        ):
            try:
                yield await step()
            except ClientError as error:
                yield f"not done: {error}"  # some stores do not have it, and can do without
    except (ClientError, BotoCoreError, aiohttp.ClientError, OSError) as error:
        raise StorageUnavailableError(str(error)) from error
    finally:
        await bucket.stop()


async def _create(bucket: Bucket) -> str:
    client, name = bucket.client, bucket.settings.bucket
    try:
        await client.head_bucket(Bucket=name)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
    else:
        return f"bucket {name} is there"
    region = client.meta.region_name
    place: Any = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    is_aws = bucket.settings.endpoint_url is None and region != _AWS_DEFAULT_REGION
    await client.create_bucket(Bucket=name, **(place if is_aws else {}))
    return f"bucket {name} created"


async def _set_lifecycle(bucket: Bucket, version_days: int | None) -> str:
    client, name, prefix = bucket.client, bucket.settings.bucket, bucket.settings.prefix
    ours: list[Any] = [
        {
            "ID": f"{_RULE_PREFIX}uploads-{prefix}",
            "Status": "Enabled",
            "Filter": {"Prefix": prefix},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": _UPLOAD_DAYS},
        },
        {
            "ID": f"{_RULE_PREFIX}probes-{prefix}",
            "Status": "Enabled",
            "Filter": {"Prefix": prefix + PROBES},
            "Expiration": {"Days": _PROBE_DAYS},
        },
    ]
    done = f"unfinished uploads are aborted after {_UPLOAD_DAYS} days"
    has_versions = False
    with contextlib.suppress(FailedCheckError):  # it does not say
        has_versions = await is_versioned(bucket)
    if has_versions:
        # What the service writes again and again: it never removes versions of these.
        ours += [
            _expiry_of_versions(prefix + below, _PROBE_DAYS) for below in (NODES, OUTBOX, PROBES)
        ]
    if has_versions and version_days is not None:
        rule = _expiry_of_versions(prefix, version_days)
        ours.append({**rule, "Expiration": {"ExpiredObjectDeleteMarker": True}})
        done += f", and versions of deleted objects expire after {version_days} days"
    elif version_days is not None:
        done += "; the bucket has no versions"
    kept = await _other_rules(ours, client.get_bucket_lifecycle_configuration(Bucket=name), "Rules")
    await client.put_bucket_lifecycle_configuration(
        Bucket=name, LifecycleConfiguration={"Rules": [*kept, *ours]}
    )
    return done


def _expiry_of_versions(prefix: str, days: int) -> dict[str, Any]:
    return {
        "ID": f"{_RULE_PREFIX}versions-{prefix}",
        "Status": "Enabled",
        "Filter": {"Prefix": prefix},
        "NoncurrentVersionExpiration": {"NoncurrentDays": days},
    }


async def _allow_origins(bucket: Bucket, origins: list[str]) -> str:
    client, name = bucket.client, bucket.settings.bucket
    ours: list[Any] = [
        {
            "ID": f"{_RULE_PREFIX}page",
            "AllowedMethods": ["GET", "HEAD"],
            "AllowedOrigins": origins,
            "AllowedHeaders": ["*"],
            "ExposeHeaders": ["Accept-Ranges", "Content-Length", "Content-Range", "ETag"],
            "MaxAgeSeconds": _CORS_SECONDS,
        }
    ]
    kept = await _other_rules(ours, client.get_bucket_cors(Bucket=name), "CORSRules")
    await client.put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": [*kept, *ours]})
    return f"pages of {', '.join(origins)} may read"


async def _other_rules(ours: list[Any], request: Any, field: str) -> list[Any]:
    """Return the rules that the service did not set."""
    try:
        rules = (await request)[field]
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        return []  # NoSuchLifecycleConfiguration, NoSuchCORSConfiguration
    ids = {rule["ID"] for rule in ours}
    return [rule for rule in rules if rule.get("ID") not in ids]
