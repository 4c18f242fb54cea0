"""The outbox of a bucket: ``_outbox/{node}/{slot}-{name}``."""

import contextlib
from collections.abc import AsyncIterator

from storage.outbox import DEAD, Place, is_name
from storage.s3.client.bucket import Bucket, BucketSettings
from storage.s3.keys import OUTBOX, outbox_entry, outbox_place
from storage.s3.ownership.node import Node

# botocore parses a key in about 60 microseconds, on the event loop.
_MAX_KEYS = 150


class OutboxObjects:
    """See `storage.outbox.OutboxEntries`."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def put(self, place: Place, data: bytes) -> None:
        await self._bucket.put(outbox_entry(place), data, "application/json")

    async def get(self, place: Place) -> bytes:
        return await self._bucket.get(outbox_entry(place))

    async def remove(self, place: Place) -> None:
        await self._bucket.delete([outbox_entry(place)], keep_versions=True)

    async def page(self, node: str, limit: int) -> list[Place]:
        found: list[Place] = []
        max_keys = min(limit, _MAX_KEYS)
        async for listing in self._bucket.listings(f"{OUTBOX}{node}/", max_keys=max_keys):
            keys = [each.key for each in listing.objects]
            found += self._bucket.skipped.parsed(keys, outbox_place)
            if len(found) >= limit:
                break
        return sorted(found)[:limit]

    async def nodes(self) -> list[str]:
        found: list[str] = []
        async for listing in self._bucket.listings(OUTBOX, delimiter="/"):
            names = (each.removeprefix(OUTBOX).rstrip("/") for each in listing.folders)
            found += [name for name in names if is_name(name)]
        return sorted(found)


class S3Outbox(OutboxObjects):
    """See `storage.outbox.Outbox`. The living node with the lowest id adopts entries."""

    def __init__(self, bucket: Bucket, node: Node) -> None:
        super().__init__(bucket)
        self._node = node

    async def claim(self) -> str:
        return self._node.node_id

    async def abandoned(self) -> list[str]:
        living = await self._node.peers.living()
        if min(living, default="") != self._node.node_id:
            return []
        return [node for node in await self.nodes() if node not in {DEAD, *living}]


@contextlib.asynccontextmanager
async def open_outbox(settings: BucketSettings) -> AsyncIterator[OutboxObjects]:
    """Open the entries of a bucket without being a node of the service."""
    bucket = Bucket(settings)
    await bucket.start()
    try:
        yield OutboxObjects(bucket)
    finally:
        await bucket.stop()
