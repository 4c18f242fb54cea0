"""Deletions in a bucket, with versioning or without it, with locks or without them.

In a bucket with versioning, deleting a key writes a delete marker, and what the key had stays as a
version. A lock (S3 Object Lock, "COMPLIANCE" or "GOVERNANCE") forbids to remove versions, never to
write a marker.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, NamedTuple

from storage.errors import StorageUnavailableError

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

logger = logging.getLogger(__name__)

_MAX_OBJECTS_PER_REQUEST = 1000
# Codes of failures that may pass. All others are refusals: a lock, a retention period, a missing
# permission. Each store has codes of its own for these.
_PASSING_CODES = {
    "InternalError", "InternalServerError", "OperationAborted", "RequestTimeout",
    "ServiceUnavailable", "SlowDown", "Throttling",
}  # fmt: skip


class Version(NamedTuple):
    """A version of a key, or a delete marker; with ``version_id=None`` the key itself."""

    key: str
    version_id: str | None = None
    is_latest: bool = True
    is_marker: bool = False

    @property
    def identity(self) -> dict[str, str]:
        """Return what a request names it by."""
        if self.version_id is None:
            return {"Key": self.key}
        return {"Key": self.key, "VersionId": self.version_id}


class Failure(NamedTuple):
    """A key or version that the store did not delete."""

    key: str
    code: str
    message: str


class Deletions:
    """Deletes objects of one bucket. Keys are with the prefix."""

    def __init__(
        self,
        bucket: str,
        request: "Callable[[], AbstractAsyncContextManager[S3Client]]",
    ) -> None:
        """``request`` gives the client for one request, and translates its errors."""
        self._bucket = bucket
        self._request = request
        self._logged_codes: set[str] = set()

    async def delete(self, keys: list[str], *, is_refusal_allowed: bool = False) -> None:
        """Delete keys, existing or not. Raises `StorageUnavailableError` after all are tried."""
        failures = await self._delete([Version(key) for key in keys])
        if is_refusal_allowed:
            self._refused(failures)
        else:
            _raise(failures)

    async def delete_versions(self, key: str, *, is_prefix: bool) -> None:
        """Remove all versions and delete markers of a key, or of all keys below a prefix.

        Latest versions are removed last. If an older one stays, removing the latest one would
        bring it back: such a key gets a delete marker instead.
        """
        found = [v for v in await self._versions(key) if is_prefix or v.key == key]
        older = [version for version in found if not version.is_latest]
        latest = [version for version in found if version.is_latest]
        kept = self._refused(await self._delete(older))
        kept |= self._refused(await self._delete([v for v in latest if v.key not in kept]))
        _raise(
            await self._delete(
                [Version(v.key) for v in latest if v.key in kept and not v.is_marker]
            )
        )

    async def _delete(self, versions: list[Version]) -> list[Failure]:
        failures = []
        for start in range(0, len(versions), _MAX_OBJECTS_PER_REQUEST):
            part = versions[start : start + _MAX_OBJECTS_PER_REQUEST]
            objects: list[Any] = [version.identity for version in part]
            async with self._request() as client:
                answer = await client.delete_objects(
                    Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True}
                )
            failures += [
                Failure(error.get("Key", ""), error.get("Code", ""), error.get("Message", ""))
                for error in answer.get("Errors", [])
            ]
        return failures

    async def _versions(self, prefix: str) -> list[Version]:
        found: list[Version] = []
        options: dict[str, Any] = {}
        while True:
            async with self._request() as client:
                page: Any = await client.list_object_versions(
                    Bucket=self._bucket, Prefix=prefix, **options
                )
            for field, is_marker in (("Versions", False), ("DeleteMarkers", True)):
                found += [
                    Version(entry["Key"], entry["VersionId"], entry["IsLatest"], is_marker)
                    for entry in page.get(field, [])
                ]
            if not page.get("IsTruncated"):
                return found
            markers = {"KeyMarker": "NextKeyMarker", "VersionIdMarker": "NextVersionIdMarker"}
            options = {name: page[of] for name, of in markers.items() if page.get(of)}

    def _refused(self, failures: list[Failure]) -> set[str]:
        """Return the keys that the store refused to delete. Log each code once.

        Raises `StorageUnavailableError` for failures that may pass.
        """
        _raise([failure for failure in failures if failure.code in _PASSING_CODES])
        for key, code, message in failures:
            if code not in self._logged_codes:
                self._logged_codes.add(code)
                logger.warning(
                    "The store refused to delete, what it refuses for this reason stays and is not "
                    "logged again: code=%s key=%s error=%s",
                    code, key, message,
                )  # fmt: skip
        return {failure.key for failure in failures}


def _raise(failures: list[Failure]) -> None:
    if failures:
        key, code, message = failures[0]
        raise StorageUnavailableError(
            f"{len(failures)} objects were not deleted, for example {key}: {code}: {message}"
        )
