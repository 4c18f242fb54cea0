"""The storage backend that the settings select: to record with, to check, to prepare.

With `api.app` this is the composition root: no other module names a backend. Only a service on a
bucket loads the S3 client, which takes half of its start.
"""

# ruff: noqa: PLC0415 - see above

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, NamedTuple

from api import __version__
from api.access.receipt_keys import ReceiptKeys
from api.access.signing import SigningKeys
from api.audio.ffmpeg import command as ffmpeg
from api.clock import Clock, SystemClock
from api.settings import Settings
from storage import local as storage_local
from storage.archive import AnyArchive
from storage.base import Finding, Storage
from storage.leftovers import Leftovers
from storage.local import (
    Changes,
    FileAudio,
    FolderArchive,
    FolderLeftovers,
    LocalStorage,
    OutboxFolder,
    VolumeRecordings,
)
from storage.observer import IGNORE, Observer
from storage.outbox import OutboxEntries
from storage.receipt_issuer import ReceiptIssuer
from storage.supervisor import Supervisor
from storage.verification import StoredRecordings
from storage.worker import Worker

if TYPE_CHECKING:
    from storage.s3 import BucketSettings

__all__ = ["FileAudio"]  # a WAV outside the storage

logger = logging.getLogger(__name__)


class AwsKeys(NamedTuple):
    """Keys of a bucket that are not those that AWS tools would use."""

    access_key: str
    secret_key: str
    token: str | None = None


def create_storage(
    settings: Settings,
    clock: Clock,
    *,
    is_store_checked: bool = False,
    supervisor: Supervisor | None = None,
    observer: Observer = IGNORE,
    worker: Worker | None = None,
    keys: ReceiptKeys | None = None,
) -> Storage:
    """Return the storage backend that the settings select.

    ``worker``: this process is one of several of the service.
    """
    receipts = ReceiptIssuer(
        f"sercuescribe {__version__}", (keys or receipt_keys(settings)).signing
    )
    if settings.storage_backend == "s3":
        from storage.s3 import LeaseSettings, S3Storage, UploadSettings

        return S3Storage(
            bucket_settings(settings),
            settings.storage_folder,
            UploadSettings(
                segment_seconds=settings.segment_seconds,
                part_bytes=settings.part_bytes,
                spool_max_bytes=settings.spool_max_bytes,
                keep_segments=settings.keep_segments,
            ),
            LeaseSettings(
                address=settings.node_url,
                signing_keys=_presence_keys(settings),
                lease_seconds=settings.lease_seconds,
                now=clock.now,
            ),
            is_store_checked=is_store_checked,
            supervisor=supervisor,
            observer=observer,
            worker=worker,
            receipts=receipts,
        )
    return LocalStorage(
        settings.storage_folder,
        sync_interval_seconds=settings.sync_interval_seconds,
        supervisor=supervisor,
        observer=observer,
        worker=worker,
        receipts=receipts,
    )


def receipt_keys(settings: Settings, *, may_create: bool = True) -> ReceiptKeys:
    """Return the keys of receipts. A key that several nodes must share is never stored."""
    folder = None if settings.storage_backend == "s3" else settings.storage_folder
    return ReceiptKeys(
        settings.receipt_key, settings.listed_receipt_keys, folder, may_create=may_create
    )


def check_workers(settings: Settings) -> None:
    """Raise `StorageUnavailableError` if several workers must not share the folder."""
    if settings.storage_backend == "local":
        storage_local.check_machine_owns(settings.storage_folder)


def _presence_keys(settings: Settings) -> tuple[bytes, ...]:
    """Return the keys with which nodes sign what they say of themselves; none without a secret."""
    return SigningKeys(lambda: settings.signing_secrets).for_purpose("node presence")


def bucket_settings(settings: Settings) -> "BucketSettings":
    """Return the settings of the bucket."""
    from storage.s3 import BucketSettings

    return BucketSettings(
        bucket=settings.s3_bucket,
        prefix=settings.s3_prefix,
        endpoint_url=settings.s3_endpoint_url or None,
        public_endpoint_url=settings.s3_public_endpoint_url or None,
        region=settings.s3_region or None,
        path_style=settings.s3_path_style,
        encryption=settings.s3_encryption,
        encryption_key_id=settings.s3_kms_key_id,
        checksum=settings.s3_checksum,
        delete_versions=settings.s3_delete_versions,
    )


def provision(
    settings: Settings, origins: list[str], version_days: int | None
) -> AsyncIterator[str]:
    """Create and configure the bucket; yield one line of text per step."""
    from storage.s3 import provision

    return provision(bucket_settings(settings), origins, version_days)


@contextlib.asynccontextmanager
async def open_outbox(settings: Settings) -> AsyncIterator[OutboxEntries]:
    """Give the outbox to an operator; the service may run on the same storage."""
    if settings.storage_backend == "s3":
        from storage.s3 import open_outbox

        async with open_outbox(bucket_settings(settings)) as outbox:
            yield outbox
    else:
        yield OutboxFolder(settings.storage_folder)


@contextlib.asynccontextmanager
async def open_archive(
    settings: Settings, keys: AwsKeys | None = None, *, creates_folder: bool = False
) -> AsyncIterator[AnyArchive]:
    """Give the completed sessions of a storage to an operator; the service may run on it.

    ``keys`` sign the requests to a bucket; None: those that AWS tools would use.
    """
    if settings.storage_backend == "s3":
        from storage.s3 import Keys, open_archive

        signing = None if keys is None else Keys(*keys)
        async with open_archive(bucket_settings(settings), signing) as archive:
            yield archive
    else:
        folder = FolderArchive(settings.storage_folder)
        if creates_folder:
            folder.create()
        yield folder


@contextlib.asynccontextmanager
async def open_leftovers(settings: Settings) -> AsyncIterator[Leftovers]:
    """Give what crashes have left in the storage to an operator; the service may run on it."""
    if settings.storage_backend == "s3":
        from storage.s3 import open_leftovers

        async with open_leftovers(
            bucket_settings(settings),
            settings.storage_folder,
            keep_segments=settings.keep_segments,
        ) as leftovers:
            yield leftovers
    else:
        yield FolderLeftovers(settings.storage_folder)


@contextlib.asynccontextmanager
async def open_recordings(settings: Settings) -> AsyncIterator[StoredRecordings]:
    """Give the recordings to an operator; the service may run on the same storage."""
    if settings.storage_backend == "s3":
        from storage.s3 import open_recordings

        async with open_recordings(bucket_settings(settings)) as recordings:
            yield recordings
    else:
        yield VolumeRecordings(settings.storage_folder)


def reindex(settings: Settings) -> Changes:
    """Compare the index of the volume with all manifests, and correct it. Block.

    Safe while the service runs. Raises `StorageUnavailableError`.
    """
    return storage_local.reindex(settings.storage_folder)


async def examine(settings: Settings, origin: str) -> AsyncIterator[Finding]:
    """Check ffmpeg, the storage, and access to it from a page of ``origin``; yield the findings.

    Safe while the service runs on the same storage.
    """
    try:
        yield Finding("ffmpeg", "pass", await asyncio.to_thread(ffmpeg.binary))
    except RuntimeError as error:
        yield Finding("ffmpeg", "fail", str(error), "install ffmpeg")
    yield await asyncio.to_thread(_examine_receipt_key, settings)
    if settings.storage_backend == "s3":
        from storage import s3

        findings = s3.examine(bucket_settings(settings), settings.part_bytes, origin)
    else:
        findings = storage_local.examine(settings.storage_folder)
    async for finding in findings:
        yield finding


def _examine_receipt_key(settings: Settings) -> Finding:
    try:
        key = receipt_keys(settings, may_create=False).signing()
    except (OSError, ValueError) as error:
        return Finding("receipts", "fail", f"the key cannot be read: {error}", "set RECEIPT_KEY")
    if key is None and settings.storage_backend == "local":
        return Finding("receipts", "pass", "the service will create the key that signs them")
    if key is None:
        advice = "to sign them, set RECEIPT_KEY on all nodes: openssl rand -hex 32"
        return Finding("receipts", "note", "receipts are not signed", advice)
    return Finding("receipts", "pass", f"signed with key {key.kid}")


async def preflight(settings: Settings) -> None:
    """Check that ffmpeg and the storage work.

    Raises `StorageUnavailableError` or ``RuntimeError`` with a text for the operator.
    """
    logger.info("ffmpeg found: path=%s", await asyncio.to_thread(ffmpeg.binary))
    if missing := (await asyncio.to_thread(ffmpeg.sandbox)).missing:
        logger.warning("ffmpeg runs without some protections: missing=%s", ", ".join(missing))
    storage = create_storage(settings, SystemClock())
    try:
        await storage.start()
    finally:
        await storage.stop()
