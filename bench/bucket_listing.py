"""Lists in a bucket (SeaweedFS) with many sessions.

Numbers: sessions in the bucket, repetitions. A session is a manifest and its entries in the index;
it has no audio.
"""

import asyncio
import itertools
import os
import statistics
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.listing import FILTERS, completed_sessions, timed
from storage import manifest as manifests
from storage.filters import Filters
from storage.manifest import Manifest
from storage.s3 import BucketSettings, S3Storage, UploadSettings
from storage.s3.client.bucket import Bucket
from storage.s3.keys import SessionKeys
from tests import engines

_PUTS_AT_ONCE = 32


def main(sessions: int = 50_000, repetitions: int = 10) -> None:
    os.environ.update(engines.CREDENTIALS)
    with (
        tempfile.TemporaryDirectory(prefix="bucket-listing-") as folder,
        engines.seaweedfs(Path(folder), volume_megabytes=1024) as url,
    ):
        engines.client(url).create_bucket(Bucket=engines.BUCKET)
        asyncio.run(
            _measure(BucketSettings(bucket=engines.BUCKET, endpoint_url=url), sessions, repetitions)
        )


async def _measure(settings: BucketSettings, sessions: int, repetitions: int) -> None:
    bucket = Bucket(settings)
    await bucket.start()
    seconds = await timed(lambda: _fill(bucket, completed_sessions(sessions)))
    await bucket.stop()
    print(f"{sessions} completed sessions put in {seconds:.0f} s", flush=True)
    with tempfile.TemporaryDirectory() as spool:
        storage = S3Storage(settings, Path(spool), UploadSettings())
        print(f"start {await timed(storage.start):.1f} s")
        print("one request for a page of 100: ms at the median and at the worst, sessions found")
        for name, filters in FILTERS.items():
            await _print_page(storage, name, Filters(**filters), repetitions)
        await storage.stop()


async def _fill(bucket: Bucket, sessions: Iterable[Manifest]) -> None:
    objects = itertools.chain.from_iterable(map(_objects, sessions))

    async def put() -> None:
        for key, data in objects:
            await bucket.put(key, data, "application/json")

    async with asyncio.TaskGroup() as tasks:
        for _ in range(_PUTS_AT_ONCE):
            tasks.create_task(put())


def _objects(manifest: Manifest) -> Iterator[tuple[str, bytes]]:
    keys = SessionKeys.of(manifest)
    yield keys.manifest, manifests.encode(manifest)
    for entry in keys.index_of(manifest):
        yield entry, b""


async def _print_page(storage: S3Storage, name: str, filters: Filters, repetitions: int) -> None:
    found = 0

    async def read() -> None:
        nonlocal found
        found = len((await storage.manifests(filters, limit=100)).manifests)

    times_ms = [1000 * await timed(read) for _ in range(repetitions)]
    print(f"  {name:26}{statistics.median(times_ms):8.0f}{max(times_ms):8.0f}{found:6}", flush=True)
