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
from typing import Annotated

import msgspec
import uuid_utils.compat
from msgspec import Meta

from storage import threads
from storage.errors import (
    BadObjectError,
    RecordingNotFoundError,
    StorageError,
    StorageUnavailableError,
    decoding,
)
from storage.retry import Backoff, retry
from storage.s3.client.bucket import Bucket
from storage.s3.keys import NODES, is_node_id, node_of
from storage.s3.ownership.peers import Peers
from storage.supervisor import Supervisor

logger = logging.getLogger(__name__)

_RENEWALS_PER_LEASE = 3
_STOP_SECONDS = 1


class Presence(msgspec.Struct, frozen=True):
    """What a node's object says. ``address`` is the URL at which other nodes reach it."""

    address: str
    expires_at: Annotated[datetime, Meta(tz=True)]
    signature: str = ""

    def without_address(self) -> "Presence":
        return Presence("", self.expires_at)


class LeaseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How nodes know of each other. ``address`` is the URL at which others reach this node."""

    address: str = ""
    signing_keys: tuple[bytes, ...] = ()  # see `Peers`
    lease_seconds: float = 15.0
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic


class Node:
    """A process. Its id belongs to the spool folder and is the same after a crash."""

    def __init__(
        self,
        bucket: Bucket,
        folder: Path,
        settings: LeaseSettings,
        supervisor: Supervisor | None = None,
    ) -> None:
        self._bucket = bucket
        self._folder = folder
        self._settings = settings
        self._supervisor = supervisor or Supervisor()
        self._lock: int | None = None
        self._renewed_at = settings.monotonic()
        self._renewal_task: asyncio.Task[None] | None = None
        self._renewal_lock = asyncio.Lock()
        # Objects that cannot be read: their bytes, and since when they have not changed.
        self._unreadable: dict[str, tuple[bytes, float]] = {}
        self.lapse_count = 0  # how often it was overdue, up to the last renewal
        self.node_id = ""
        self.peers = Peers(settings.signing_keys)

    async def start(self) -> None:
        """Raises `StorageUnavailableError`, also where another process has the folder."""
        self.node_id = await threads.recording.run(self._claim_folder)
        self._renewed_at = self._settings.monotonic()
        await self._renew()
        self._renewal_task = self._supervisor.start("lease", self._renewal_loop)

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
                    await self._bucket.delete([NODES + self.node_id], keep_versions=True)
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
        """Return what a living node says of itself, None if it is dead.

        The address is empty if signatures are required and that of the node is not valid.
        Raises `BadObjectError` while it is not known whether the node lives, because its object
        cannot be read. A living node replaces it soon.
        """
        try:
            data = await self._bucket.get(NODES + node_id)
        except RecordingNotFoundError:
            self._forget(node_id)
            return None
        try:
            presence = decode_presence(node_id, data)
        except BadObjectError as error:
            if self._is_stale(node_id, data):
                self.peers.forget(node_id)
                return None
            self._bucket.skipped.report(NODES + node_id, error)
            raise
        self._unreadable.pop(node_id, None)
        if presence.expires_at <= self._settings.now():
            self._forget(node_id)
            return None
        return presence if self._is_usable(node_id, presence) else presence.without_address()

    def _forget(self, node_id: str) -> None:
        self._unreadable.pop(node_id, None)
        self.peers.forget(node_id)

    def _is_usable(self, node_id: str, presence: Presence) -> bool:
        is_verified = self.peers.verify(
            node_id, presence.address, presence.expires_at, presence.signature
        )
        return is_verified or not self.peers.requires_signatures

    async def dead_nodes(self) -> list[str]:
        """Return the nodes whose lease has expired."""
        found = []
        for node_id in self._bucket.skipped.parsed(await self._bucket.keys(NODES), node_of):
            with contextlib.suppress(BadObjectError):
                if node_id != self.node_id and await self.presence(node_id) is None:
                    found.append(node_id)
        return found

    async def remove_node(self, node_id: str) -> None:
        """Remove the object of a dead node that owns no session any more."""
        if await self.presence(node_id) is not None:
            return  # it was only slow
        await self._bucket.delete([NODES + node_id], keep_versions=True)

    def _is_stale(self, node_id: str, data: bytes) -> bool:
        """Return whether a living node would have replaced ``data`` by now."""
        now = self._settings.monotonic()
        last, since = self._unreadable.get(node_id, (None, now))
        if last != data:
            since = now
        self._unreadable[node_id] = data, since
        return now - since > self._settings.lease_seconds

    async def _renewal_loop(self) -> None:
        interval_seconds = self._settings.lease_seconds / _RENEWALS_PER_LEASE
        backoff = Backoff(first_seconds=interval_seconds / 4, max_seconds=interval_seconds)
        while True:
            await asyncio.sleep(interval_seconds)
            await retry(self._renew, on=StorageError, delays=backoff.delays(), failed=_log_failure)

    async def _renew(self) -> None:
        asked_at = self._settings.monotonic()
        expires_at = self._settings.now() + timedelta(seconds=self._settings.lease_seconds)
        address = self._settings.address
        signature = self.peers.sign(self.node_id, address, expires_at)
        presence = msgspec.json.encode(Presence(address, expires_at, signature))
        async with self._renewal_lock:
            await self._bucket.put(NODES + self.node_id, presence, "application/json")
        self.lapse_count += self.is_overdue
        self._renewed_at = asked_at

    def _claim_folder(self) -> str:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self._folder / ".node", os.O_RDWR | os.O_CREAT, 0o666)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            node_id = os.pread(self._lock, 36, 0).decode(errors="replace")
            if not is_node_id(node_id):  # a new folder, or a damaged file
                node_id = str(uuid_utils.compat.uuid7())
                os.pwrite(self._lock, node_id.encode(), 0)
        except BlockingIOError as error:
            raise StorageUnavailableError(
                f"{self._folder} is in use by another process; one spool folder has one writer"
            ) from error
        except OSError as error:
            raise StorageUnavailableError(str(error)) from error
        return node_id


def decode_presence(node_id: str, data: bytes) -> Presence:
    """Return what the object of a node says. Raises `BadObjectError`."""
    with decoding(f"{node_id} does not say until when the node lives"):
        return msgspec.json.decode(data, type=Presence)


def _log_failure(error: Exception, delay_seconds: float) -> None:
    logger.warning(
        "the lease of this node could not be renewed: %s; next try in %.1f s", error, delay_seconds
    )
