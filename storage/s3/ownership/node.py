"""The node of this process among those that share the bucket: its id, and its lease.

``_nodes/{node_id}`` says where a node is reached. The node writes it again every third of the
lease, which shows the others that it lives (see `peers`). One object per node and not one per
session: what a lease costs does not grow with the sessions.
"""

import asyncio
import contextlib
import logging
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import msgspec

from storage import threads
from storage.errors import StorageError
from storage.retry import Backoff, retry
from storage.s3.client.bucket import Bucket
from storage.s3.keys import NODES
from storage.s3.ownership.node_folders import NodeFolders, SpoolPlace
from storage.s3.ownership.peers import LeaseSettings, Peers
from storage.s3.ownership.presence import Presence
from storage.s3.ownership.signatures import Signatures
from storage.supervisor import Supervisor
from storage.worker import Worker

logger = logging.getLogger(__name__)

_RENEWALS_PER_LEASE = 3
_STOP_SECONDS = 1


class Node:
    """A process. Its id belongs to the spool folder and is the same after a crash."""

    def __init__(
        self,
        bucket: Bucket,
        folder: Path,
        settings: LeaseSettings,
        supervisor: Supervisor | None = None,
        worker: Worker | None = None,
    ) -> None:
        self._bucket = bucket
        self.folders = NodeFolders(folder, worker)
        self._worker = worker
        self._settings = settings
        self._supervisor = supervisor or Supervisor()
        self._renewed_at = settings.monotonic()
        self._renewal_task: asyncio.Task[None] | None = None
        self._renewal_lock = asyncio.Lock()
        self.lapse_count = 0  # how often it was overdue, up to the last renewal
        self.node_id = ""
        self.peers = Peers(bucket, settings)
        self._signatures = Signatures(settings.signing_keys)

    async def start(self) -> None:
        """Raises `StorageUnavailableError`, also where another process has the folder."""
        self.node_id = self.peers.own_id = await threads.recording.run(self.folders.claim)
        if self._worker is None:
            await threads.recording.run(self.folders.adopt)
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
        self.folders.release()

    async def sibling(self, node_id: str) -> str | None:
        """Return the address of the other worker of this machine that is a node, else None."""
        if self._worker is None:
            return None
        return await threads.recording.run(self.folders.sibling, node_id)

    async def spool_place(self, session_id: UUID) -> SpoolPlace:
        """Return where the spool of a session is, if several workers serve."""
        if self._worker is None:
            return SpoolPlace()
        return await threads.recording.run(self.folders.spool_place, session_id)

    @property
    def is_overdue(self) -> bool:
        """Return whether other nodes may believe that this one is dead, and take over."""
        return self.lease_age_seconds > self._settings.lease_seconds

    @property
    def lease_age_seconds(self) -> float:
        """Return the time since the last renewal that the store has taken."""
        return self._settings.monotonic() - self._renewed_at

    async def is_sweeper(self) -> bool:
        """Return whether it is this node that deletes expired sessions.

        It is the living node with the lowest id of those that can. If two nodes believe that for
        a moment, both delete, which harms nothing.
        """
        if not self._settings.sweeps or self.is_overdue:
            return False
        return await self.peers.is_first_sweeper()

    async def _renewal_loop(self) -> None:
        interval_seconds = self._settings.lease_seconds / _RENEWALS_PER_LEASE
        backoff = Backoff(first_seconds=interval_seconds / 4, max_seconds=interval_seconds)
        while True:
            await asyncio.sleep(interval_seconds)
            await retry(self._renew, on=StorageError, delays=backoff.delays(), failed=_log_failure)

    async def _renew(self) -> None:
        asked_at = self._settings.monotonic()
        expires_at = self._settings.now() + timedelta(seconds=self._settings.lease_seconds)
        settings = self._settings
        signature = self._signatures.sign(self.node_id, settings.address, expires_at)
        presence = Presence(
            settings.address, expires_at, signature, settings.loopback, settings.sweeps
        )
        async with self._renewal_lock:
            await self._bucket.put(
                NODES + self.node_id, msgspec.json.encode(presence), "application/json"
            )
        self.lapse_count += self.is_overdue
        self._renewed_at = asked_at


def _log_failure(error: Exception, delay_seconds: float) -> None:
    logger.warning(
        "Failed to renew the lease of this node, retrying: error=%s seconds=%.1f",
        error,
        delay_seconds,
    )
