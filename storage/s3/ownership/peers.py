"""The other nodes of the bucket: which of them live, and where they are reached.

One listing of `_nodes/` per interval shows which nodes live (see `liveness`). An object is read
only if its address is needed, and once for each node, so that a wrong setting is known before a
request has to be relayed.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec

from storage.errors import BadObjectError, RecordingNotFoundError
from storage.s3.client.bucket import Bucket, ListedObject
from storage.s3.keys import NODES, node_of
from storage.s3.ownership.liveness import Liveness, Version
from storage.s3.ownership.presence import Presence, decode_presence, is_loopback, loopback_id
from storage.s3.ownership.signatures import Signatures

logger = logging.getLogger(__name__)

_LISTINGS_PER_LEASE = 8

# An older object was put by a principal that has kept it. The clocks of nodes may differ by hours.
_MAX_SIGNATURE_AGE = timedelta(days=1)


class LeaseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How nodes know of each other. ``address`` is the URL at which others reach this node."""

    address: str = ""
    signing_keys: tuple[bytes, ...] = ()  # see `signatures`
    lease_seconds: float = 15.0
    sweeps: bool = True  # whether this node can delete expired sessions
    loopback: str = msgspec.field(default_factory=loopback_id)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic


class Peers:
    """The other nodes, as this node sees them."""

    def __init__(self, bucket: Bucket, settings: LeaseSettings) -> None:
        self._bucket = bucket
        self._settings = settings
        self._signatures = Signatures(settings.signing_keys)
        self._liveness = Liveness(settings.lease_seconds)
        self._listed_at: float | None = None
        self._store_time: datetime | None = None  # at the last listing
        self._listing = asyncio.Lock()
        self._confirmed: dict[str, Version] = {}  # silent nodes whose object was looked at
        self._read: dict[str, tuple[Version, Presence]] = {}
        self._problems: dict[tuple[str, str], str] = {}  # by node and setting
        self.own_id = ""

    async def refresh(self) -> None:
        """List the nodes."""
        async with self._listing:
            await self._list()

    async def presence(
        self, node_id: str, *, max_age_seconds: float | None = None
    ) -> Presence | None:
        """Return what a living node says of itself, None if it is dead.

        The nodes are listed again if the last listing is older than ``max_age_seconds``.

        The address is empty if it must not be used: a signature is required and that of the node
        is not valid, or it is a loopback address of another machine. Raises `BadObjectError` if
        the object of a living node cannot be read. The node replaces it soon.
        """
        await self._refresh_if_old(max_age_seconds)
        if node_id not in self._liveness:
            await self.refresh()  # it may have started since
        if node_id not in self._liveness.living():
            return None
        try:
            return await self._presence(node_id)
        except RecordingNotFoundError:
            return None

    async def living(self) -> list[str]:
        """Return the nodes whose lease has not expired, this one too."""
        await self._refresh_if_old()
        return self._liveness.living()

    async def dead(self) -> list[str]:
        """Return the nodes whose lease has expired, after a new listing."""
        await self.refresh()
        return [each for each in self._liveness.silent() if each != self.own_id]

    async def is_first_sweeper(self) -> bool:
        """Return whether no living node with a lower id than this one can delete sessions."""
        await self._refresh_if_old()
        for node_id in sorted(each for each in self._liveness.living() if each < self.own_id):
            with contextlib.suppress(BadObjectError, RecordingNotFoundError):
                presence = await self._presence(node_id)
                if presence.sweeps and presence.address:  # a node without one may be forged
                    return False
        return True

    async def remove(self, node_id: str) -> None:
        """Remove the object of a dead node that owns no session any more."""
        if node_id in await self.dead():  # otherwise it was only slow
            await self._bucket.delete([NODES + node_id], keep_versions=True)

    def problems(self) -> list[str]:
        """Return a text for each node whose address is not used or not verified."""
        return [self._problems[each] for each in sorted(self._problems)]

    async def _refresh_if_old(self, max_age_seconds: float | None = None) -> None:
        if max_age_seconds is None:
            max_age_seconds = self._settings.lease_seconds / _LISTINGS_PER_LEASE
        asked_at = self._settings.monotonic()
        async with self._listing:
            if self._listed_at is None or asked_at - self._listed_at >= max_age_seconds:
                await self._list()

    async def _list(self) -> None:
        asked_at = self._settings.monotonic()
        listed: dict[str, ListedObject] = {}
        async for listing in self._bucket.listings(NODES):
            for each in listing.objects:
                for node_id in self._bucket.skipped.parsed([each.key], node_of):
                    listed[node_id] = each
            self._store_time = listing.answered_at
        self._liveness.observe(
            listed,
            asked_at=asked_at,
            answered_at=self._settings.monotonic(),
            store_time=self._store_time,
        )
        await self._confirm_silent()
        self._forget_dead()
        self._listed_at = asked_at
        await self._read_new()

    async def _confirm_silent(self) -> None:
        """Look at the objects of silent nodes, once each: a listing may be behind."""
        for node_id in self._liveness.silent():
            version = self._liveness.version(node_id)
            if self._confirmed.get(node_id) == version:
                continue
            try:
                found = Version.of(await self._bucket.head(NODES + node_id))
            except RecordingNotFoundError:
                found = None
            self._liveness.correct(node_id, found, self._settings.monotonic())
            self._confirmed[node_id] = version

    def _forget_dead(self) -> None:
        silent, living = set(self._liveness.silent()), set(self._liveness.living())
        self._confirmed = {k: v for k, v in self._confirmed.items() if k in silent}
        self._read = {k: v for k, v in self._read.items() if k in living}
        self._problems = {k: v for k, v in self._problems.items() if k[0] in living}

    async def _read_new(self) -> None:
        """Read the objects of nodes that were not read yet, or whose address cannot be used."""
        for node_id in self._liveness.living():
            if node_id == self.own_id or (node_id in self._read and self._read[node_id][1].address):
                continue
            with contextlib.suppress(BadObjectError, RecordingNotFoundError):
                await self._presence(node_id)

    async def _presence(self, node_id: str) -> Presence:
        """Return what a listed node says. Raises `BadObjectError`, `RecordingNotFoundError`."""
        version = self._liveness.version(node_id)
        read_version, presence = self._read.get(node_id, (None, None))
        if presence is None or read_version != version:
            data = await self._bucket.get(NODES + node_id)
            try:
                presence = decode_presence(node_id, data)
            except BadObjectError as error:
                self._bucket.skipped.report(NODES + node_id, error)
                raise
            presence = self._checked(node_id, presence)
            self._read[node_id] = version, presence
        return presence

    def _checked(self, node_id: str, presence: Presence) -> Presence:
        """Return the presence, without an address that must not be used. Note problems."""
        is_verified = self._is_verified(node_id, presence)
        is_reachable = self._is_reachable(node_id, presence)
        if is_reachable and (is_verified or not self._signatures.are_required):
            return presence
        return msgspec.structs.replace(presence, address="")

    def _is_verified(self, node_id: str, presence: Presence) -> bool:
        if self._signatures.are_valid(node_id, presence) and not self._is_old(presence):
            self._problems.pop((node_id, "SIGNING_SECRET"), None)
            return True
        reason = "is not that of this node" if self._signatures.are_required else "is not set"
        problem = f"node {node_id} cannot be verified: SIGNING_SECRET {reason}"
        if self._is_new(node_id, "SIGNING_SECRET", problem):
            logger.warning(
                "Failed to verify a node: node=%s address=%s; set the same SIGNING_SECRET on all "
                "nodes",
                node_id,
                presence.address,
            )
        return False

    def _is_old(self, presence: Presence) -> bool:
        """Return whether the lease ended long ago by the clock of the store."""
        now = self._store_time
        return now is not None and now - presence.expires_at > _MAX_SIGNATURE_AGE

    def _is_reachable(self, node_id: str, presence: Presence) -> bool:
        own = self._settings.loopback
        is_same = not presence.loopback or not own or presence.loopback == own  # "": not known
        if is_same or not is_loopback(presence.address):
            self._problems.pop((node_id, "NODE_URL"), None)
            return True
        problem = (
            f"node {node_id} cannot be reached: its NODE_URL {presence.address} is a loopback "
            "address of another machine"
        )
        if self._is_new(node_id, "NODE_URL", problem):
            logger.warning(
                "Other machines cannot reach a node: node=%s address=%s; set NODE_URL of that node "
                "to a URL that leads there from other machines",
                node_id,
                presence.address,
            )
        return False

    def _is_new(self, node_id: str, setting: str, problem: str) -> bool:
        """Note a problem. Return whether it was not noted before."""
        before = self._problems.get((node_id, setting))
        self._problems[node_id, setting] = problem
        return before != problem
