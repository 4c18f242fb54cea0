"""Requests and bytes of recording into a bucket, from the metrics of the store (SeaweedFS).

A session-hour is recorded segment by segment as fast as the store accepts it. The requests and
bytes are those of a live hour.
"""

import asyncio
import collections
import os
import re
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import psutil
import requests
import uuid_utils.compat

from storage.checkpoint import Checkpoint, StreamCheckpoint
from storage.manifest import Manifest
from storage.pcm import SAMPLE_BYTES
from storage.s3 import BucketSettings, S3Storage, UploadSettings
from tests import engines
from tests.ports import reserve_ports

_SEGMENT_SECONDS = (1, 5, 15)
_RATE = 48000
_OPUS_BYTES_PER_SECOND = 4000
_CHUNK_SECONDS = 1
_CHUNKS_AT_ONCE = 60  # of the long session
_HOUR_SECONDS = 3600
_PART_BYTES = 8 * 1024 * 1024
_METRIC = re.compile(r'SeaweedFS_s3_request_total\{bucket="rec",code="\d+",type="(\w+)"\} (\d+)')
_RECEIVED = re.compile(r'SeaweedFS_s3_bucket_traffic_received_bytes_total\{bucket="rec"\} (\S+)')


class Counts(NamedTuple):
    requests: collections.Counter[str]
    received_bytes: int


class Store(NamedTuple):
    url: str
    metrics_url: str

    def counts(self) -> Counts:
        text = requests.get(self.metrics_url, timeout=30).text
        counted: collections.Counter[str] = collections.Counter()
        for kind, count in _METRIC.findall(text):
            counted[kind] += int(count)
        received = _RECEIVED.search(text)
        return Counts(counted, int(float(received[1])) if received else 0)


def main(hours: int = 24, rate: int = 44100) -> None:
    os.environ.update(engines.CREDENTIALS)
    with _store() as store:
        asyncio.run(_print_costs(store))
        asyncio.run(_print_day(store, hours, rate))


@contextmanager
def _store() -> Iterator[Store]:
    (port,) = reserve_ports(1)
    with (
        tempfile.TemporaryDirectory() as folder,
        engines.seaweedfs(Path(folder), volume_megabytes=1024, metrics_port=port) as url,
    ):
        engines.client(url).create_bucket(Bucket="rec")
        yield Store(url, f"http://127.0.0.1:{port}/metrics")


async def _print_costs(store: Store) -> None:
    print(f"one session-hour of {_RATE} Hz mono, parts of 8 MiB, counted by the store")
    print(f"{'input':10}{'segments':>10}{'PUT':>7}{'POST':>6}{'GET':>5}{'LIST':>6}{'DELETE':>8}"
          f"{'received / audio':>18}")  # fmt: skip
    for kept_bytes_per_second in (0, _OPUS_BYTES_PER_SECOND):
        for segment_seconds in _SEGMENT_SECONDS:
            counts = await _record_hour(store, segment_seconds, kept_bytes_per_second)
            asked = counts.requests
            ratio = counts.received_bytes / (_HOUR_SECONDS * _RATE * SAMPLE_BYTES)
            name = "Opus" if kept_bytes_per_second else "PCM"
            print(f"{name:10}{segment_seconds:>8} s{asked['PUT']:>7}{asked['POST']:>6}"
                  f"{asked['GET']:>5}{asked['LIST']:>6}{asked['DELETE']:>8}{ratio:>18.3f}",
                  flush=True)  # fmt: skip


async def _record_hour(store: Store, segment_seconds: int, kept_bytes_per_second: int) -> Counts:
    with tempfile.TemporaryDirectory() as folder:
        storage = _storage(store, folder, segment_seconds=_HOUR_SECONDS)
        await storage.start()
        before = await asyncio.to_thread(store.counts)
        recording = await storage.create(_manifest(_RATE))
        seconds_bytes, kept_bytes = _RATE * SAMPLE_BYTES, 0
        for second in range(_CHUNK_SECONDS, _HOUR_SECONDS + 1, _CHUNK_SECONDS):
            streams: tuple[StreamCheckpoint, ...] = ()
            if kept_bytes_per_second:
                recording.keep_input(1, kept_bytes, os.urandom(kept_bytes_per_second))
                kept_bytes += kept_bytes_per_second
                streams = (StreamCheckpoint(1, kept_bytes, second * seconds_bytes, b""),)
            pcm = os.urandom(seconds_bytes)
            recording.append(pcm, Checkpoint(second, second * seconds_bytes, streams))
            if second % segment_seconds == 0:
                await recording.upload()
        await recording.complete(datetime.now(UTC))
        await storage.stop()
        after = await asyncio.to_thread(store.counts)
    return Counts(after.requests - before.requests, after.received_bytes - before.received_bytes)


async def _print_day(store: Store, hours: int, rate: int) -> None:
    """Record one long session at full speed; print its bytes, memory and closing time."""
    print(f"\n{hours} h of {rate} Hz mono in one session, at full speed")
    with tempfile.TemporaryDirectory() as folder:
        storage = _storage(store, folder, segment_seconds=5)
        await storage.start()
        closed_early_seconds = await _close_seconds(storage, rate, 60)
        before, began = await asyncio.to_thread(store.counts), time.monotonic()
        process = psutil.Process()
        manifest, resident = _manifest(rate), [process.memory_info().rss]
        recording = await storage.create(manifest)
        chunk = os.urandom(rate * SAMPLE_BYTES * _CHUNK_SECONDS)
        spool_bytes = 0
        for number in range(1, hours * _HOUR_SECONDS // _CHUNK_SECONDS + 1):
            recording.append(chunk, Checkpoint(number, number * len(chunk)))
            if number % _CHUNKS_AT_ONCE == 0:
                await recording.upload()
            if number % (_HOUR_SECONDS // _CHUNK_SECONDS) == 0:
                resident.append(process.memory_info().rss)
                spool_bytes = max(spool_bytes, _allocated_bytes(Path(folder)))
        recorded_seconds = time.monotonic() - began
        began = time.monotonic()
        completed = await recording.complete(datetime.now(UTC))
        closed_seconds = time.monotonic() - began
        await storage.stop()
        after = await asyncio.to_thread(store.counts)
    ratio = (after.received_bytes - before.received_bytes) / completed.pcm_bytes
    print(f"recorded in {recorded_seconds:.0f} s ({hours * 3600 / recorded_seconds:.0f} x)")
    print(f"{completed.size_bytes} bytes, {completed.container}, {completed.frames} frames")
    print(f"written to the store: {ratio:.3f} x the audio")
    print(
        f"closing: {closed_early_seconds:.2f} s after a minute, {closed_seconds:.2f} s at the end"
    )
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    mebibytes = [size >> 20 for size in resident]
    print(
        f"process: {mebibytes[0]} MiB before, {mebibytes[1]} after an hour, {mebibytes[-1]} after"
    )
    print(f"process: peak {peak_kib >> 10} MiB, including the table above")
    print(f"spool: at most {spool_bytes >> 20} MiB")
    stored = engines.client(store.url).head_object(
        Bucket="rec", Key=f"{UUID(manifest.session_id)}.wav"
    )
    if stored["ContentLength"] != completed.size_bytes:
        raise SystemExit("the length of the object differs from its manifest")


async def _close_seconds(storage: S3Storage, rate: int, seconds: int) -> float:
    recording = await storage.create(_manifest(rate))
    pcm = os.urandom(rate * SAMPLE_BYTES * seconds)
    recording.append(pcm, Checkpoint(1, len(pcm)))
    await recording.upload()
    began = time.monotonic()
    await recording.complete(datetime.now(UTC))
    return time.monotonic() - began


def _storage(store: Store, folder: str, *, segment_seconds: float) -> S3Storage:
    settings = BucketSettings(bucket="rec", endpoint_url=store.url, region=engines.REGION)
    return S3Storage(
        settings,
        Path(folder),
        UploadSettings(
            segment_seconds=segment_seconds, part_bytes=_PART_BYTES, spool_max_bytes=1 << 30
        ),
    )


def _manifest(rate: int) -> Manifest:
    return Manifest(
        session_id=str(uuid_utils.compat.uuid7()),
        sample_rate=rate,
        channels=1,
        format="raw",
        created_at=datetime.now(UTC),
    )


def _allocated_bytes(folder: Path) -> int:
    """Return the disk space of the files, without holes."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())
