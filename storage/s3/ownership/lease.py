"""The right to write one session, and its number: the epoch.

``{id}/epochs/{epoch}`` is created once and names the node that has the right; the highest one
counts. A new owner creates the next epoch, then an empty segment. The old owner finds that
segment under the key of its own next one, and stops. So two nodes may both believe that they
own a session, but only one of them can persist anything (Martin Kleppmann, "How to do
distributed locking", on fencing).
"""

import msgspec

from storage.errors import (
    BadObjectError,
    FencedError,
    OwnedElsewhereError,
    RecordingNotFoundError,
    decoding,
)
from storage.s3.client.bucket import Bucket, KeyExistsError
from storage.s3.keys import SessionKeys, epoch_of, is_node_id
from storage.s3.ownership.node import Node


class Owner(msgspec.Struct, frozen=True):
    """The content of an epoch's object. Only the owner sets ``is_released``."""

    node_id: str
    is_released: bool = False


class Lease:
    """One node's right to one session, from :meth:`acquire` until another node takes it."""

    def __init__(self, bucket: Bucket, keys: SessionKeys, node: Node, epoch: int) -> None:
        self.epoch = epoch
        self._bucket = bucket
        self._keys = keys
        self._node = node
        self._lapse_count = node.lapse_count

    @classmethod
    async def acquire(cls, bucket: Bucket, keys: SessionKeys, node: Node) -> "Lease":
        """Create the next epoch. Raises `OwnedElsewhereError` while a living node has the last."""
        while True:
            latest = await _latest_epoch(bucket, keys)
            await _check_not_owned_elsewhere(bucket, keys, node, latest)
            lease = cls(bucket, keys, node, epoch=latest + 1)
            try:
                await lease.create()
            except KeyExistsError:
                continue
            return lease

    async def create(self) -> None:
        """Create the epoch's object. Raises `KeyExistsError` if another node was faster."""
        owner = msgspec.json.encode(Owner(self._node.node_id))
        await self._bucket.create(self._keys.epoch(self.epoch), owner, "application/json")

    async def verify(self) -> None:
        """Raise `FencedError` if another node has the session.

        Costs no request while this node renews its lease in time.
        """
        lapse_count = self._node.lapse_count
        if lapse_count == self._lapse_count and not self._node.is_overdue:
            return
        if await _latest_epoch(self._bucket, self._keys) != self.epoch:
            raise FencedError(str(self._keys.session_id))
        self._lapse_count = lapse_count

    async def release(self) -> None:
        """Allow any node to take the session over at once."""
        await self._bucket.put(
            self._keys.epoch(self.epoch),
            msgspec.json.encode(Owner(self._node.node_id, is_released=True)),
        )


async def last_owner(bucket: Bucket, keys: SessionKeys) -> Owner | None:
    """Return the owner of the last epoch, living or not; None if it was released."""
    return await _owner_of_epoch(bucket, keys, await _latest_epoch(bucket, keys))


async def living_owner(bucket: Bucket, keys: SessionKeys, node: Node) -> str | None:
    """Return the address of another living node that owns the session, None if there is none."""
    return await _living_owner_of_epoch(bucket, keys, node, await _latest_epoch(bucket, keys))


async def check_not_owned_elsewhere(bucket: Bucket, keys: SessionKeys, node: Node) -> None:
    """Raise `OwnedElsewhereError` if another living node owns the session."""
    await _check_not_owned_elsewhere(bucket, keys, node, await _latest_epoch(bucket, keys))


async def _owner_of_epoch(bucket: Bucket, keys: SessionKeys, epoch: int) -> Owner | None:
    """Return the owner of an epoch; None if it was released.

    An object that cannot be read counts as released: if its node lives, the next owner fences it.
    """
    if not epoch:
        return None
    key = keys.epoch(epoch)
    try:
        owner = decode_owner(key, await bucket.get(key))
    except RecordingNotFoundError:
        return None  # the session has ended meanwhile
    except BadObjectError as error:
        bucket.skipped.report(key, error)
        return None
    return None if owner.is_released else owner


def decode_owner(key: str, data: bytes) -> Owner:
    """Return the owner that the object of an epoch names. Raises `BadObjectError`."""
    with decoding(f"{key} does not name the owner of an epoch"):
        owner = msgspec.json.decode(data, type=Owner)
        if not is_node_id(owner.node_id):
            raise ValueError("node_id is not a UUID")
        return owner


async def _living_owner_of_epoch(
    bucket: Bucket,
    keys: SessionKeys,
    node: Node,
    epoch: int,
    max_age_seconds: float | None = None,
) -> str | None:
    # What the spool of another worker holds is lost if a lease decides: it is adopted instead. It
    # may be in another folder than that of its owner, which has adopted it and died since.
    spool = await node.spool_place(keys.session_id)
    if spool.elsewhere is not None and not spool.is_here:
        return spool.elsewhere
    owner = await _owner_of_epoch(bucket, keys, epoch)
    if owner is None or node.folders.owns(owner.node_id):
        return None
    if (address := await node.sibling(owner.node_id)) is not None:
        # A worker that writes has the folder of its spool.
        return None if spool.is_here and spool.elsewhere is None else address
    presence = await node.peers.presence(owner.node_id, max_age_seconds=max_age_seconds)
    return presence.address if presence is not None else None


async def _check_not_owned_elsewhere(
    bucket: Bucket, keys: SessionKeys, node: Node, epoch: int
) -> None:
    # A node that has just stopped is no owner any more.
    address = await _living_owner_of_epoch(bucket, keys, node, epoch, max_age_seconds=0)
    if address is not None:
        raise OwnedElsewhereError(str(keys.session_id), address)


async def _latest_epoch(bucket: Bucket, keys: SessionKeys) -> int:
    """Return the highest epoch, 0 if there is none."""
    return max(bucket.skipped.parsed(await bucket.keys(keys.epochs), epoch_of), default=0)
