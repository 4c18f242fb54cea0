"""The nodes that share the bucket: the id of this one, and which others live.

``_nodes/{node_id}`` says where a node is reached, and until when to believe that it lives. The
node itself writes it again every third of the lease. One object per node and not one per
session: what a lease costs does not grow with the sessions.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import uuid_utils.compat

from storage import threads
from storage.errors import RecordingNotFoundError, StorageError, StorageUnavailableError
from storage.retry import Backoff, retry
from storage.s3.client.bucket import Bucket

logger = logging.getLogger(__name__)

NODES = "_nodes/"
_RENEWALS_PER_LEASE = 3
_STOP_SECONDS = 1


class Presence(msgspec.Struct, frozen=True):
    """What a node's object says. ``address`` is the URL at which other nodes reach it."""

    address: str
    expires_at: datetime


class LeaseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How nodes know of each other. ``address`` is the URL at which others reach this node."""

    address: str = ""
    lease_seconds: float = 15.0
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic


class Node:
    """A process. Its id belongs to the spool folder and is the same after a crash."""

    def __init__(self, bucket: Bucket, folder: Path, settings: LeaseSettings) -> None:
        self._bucket = bucket
        self._folder = folder
        self._settings = settings
        self._lock: int | None = None
        self._renewed_at = settings.monotonic()
        self._renewal_task: asyncio.Task[None] | None = None
        self._renewal_lock = asyncio.Lock()
        self.lapse_count = 0  # how often it was overdue, up to the last renewal
        self.node_id = ""

    async def start(self) -> None:
        """Raises `StorageUnavailableError`, also where another process has the folder."""
        self.node_id = await threads.recording.run(self._claim_folder)
        self._renewed_at = self._settings.monotonic()
        await self._renew()
        self._renewal_task = asyncio.create_task(self._renewal_loop(), name="lease")

    async def stop(self) -> None:
        """Remove the node's object, so that others need not wait for its lease to expire."""
        if self._renewal_task is not None:
            with contextlib.suppress(TimeoutError):
                # A renewal in progress would put the object again.
                async with asyncio.timeout(_STOP_SECONDS):
                    await self._renewal_lock.acquire()
            self._renewal_task.cancel()  # a renewal that waits for its retry would, too
            with contextlib.suppress(StorageError, TimeoutError):
                async with asyncio.timeout(_STOP_SECONDS):
                    await self._bucket.delete([NODES + self.node_id])
        await self.abandon()

    async def abandon(self) -> None:
        """Stop as a crash would."""
        if self._renewal_task is not None:
            self._renewal_task.cancel()
            await asyncio.gather(self._renewal_task, return_exceptions=True)
            self._renewal_task = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def is_overdue(self) -> bool:
        """Return whether other nodes may believe that this one is dead, and take over."""
        age_seconds = self._settings.monotonic() - self._renewed_at
        return age_seconds > self._settings.lease_seconds

    async def presence(self, node_id: str) -> Presence | None:
        """Return what a living node says of itself, None if it is dead."""
        try:
            data = await self._bucket.get(NODES + node_id)
        except RecordingNotFoundError:
            return None
        presence = msgspec.json.decode(data, type=Presence)
        return presence if presence.expires_at > self._settings.now() else None

    async def dead_nodes(self) -> list[str]:
        """Return the nodes whose lease has expired."""
        found = []
        for key in await self._bucket.keys(NODES):
            node_id = key.removeprefix(NODES)
            if node_id != self.node_id and await self.presence(node_id) is None:
                found.append(node_id)
        return found

    async def remove_node(self, node_id: str) -> None:
        """Remove the object of a dead node that owns no session any more."""
        if await self.presence(node_id) is not None:
            return  # it was only slow
        await self._bucket.delete([NODES + node_id])

    async def _renewal_loop(self) -> None:
        interval_seconds = self._settings.lease_seconds / _RENEWALS_PER_LEASE
        backoff = Backoff(first_seconds=interval_seconds / 4, max_seconds=interval_seconds)
        while True:
            await asyncio.sleep(interval_seconds)
            await retry(self._renew, on=StorageError, delays=backoff.delays(), failed=_log_failure)

    async def _renew(self) -> None:
        asked_at = self._settings.monotonic()
        expires_at = self._settings.now() + timedelta(seconds=self._settings.lease_seconds)
        presence = msgspec.json.encode(Presence(self._settings.address, expires_at))
        async with self._renewal_lock:
            await self._bucket.put(NODES + self.node_id, presence, "application/json")
        self.lapse_count += self.is_overdue
        self._renewed_at = asked_at

    def _claim_folder(self) -> str:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self._folder / ".node", os.O_RDWR | os.O_CREAT, 0o666)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            node_id = os.pread(self._lock, 36, 0).decode()
            if not node_id:
                node_id = str(uuid_utils.compat.uuid7())
                os.pwrite(self._lock, node_id.encode(), 0)
        except BlockingIOError as error:
            raise StorageUnavailableError(
                f"{self._folder} is in use by another process; one spool folder has one writer"
            ) from error
        except OSError as error:
            raise StorageUnavailableError(str(error)) from error
        return node_id


def _log_failure(error: Exception, delay_seconds: float) -> None:
    logger.warning(
        "the lease of this node could not be renewed: %s; next try in %.1f s", error, delay_seconds
    )
