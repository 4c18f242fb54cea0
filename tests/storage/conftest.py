"""Fixtures for all storage backends; a new backend is one line in ``BACKENDS``."""

import contextlib
import resource
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uuid_utils.compat

from storage.base import Storage
from storage.local import LocalStorage
from storage.manifest import Manifest
from storage.s3 import BucketSettings, S3Storage, UploadSettings
from storage.worker import Worker
from tests import engines

# So long that only a call of the test persists anything.
_SELDOM_SECONDS = 3600


def _local(request: pytest.FixtureRequest, folder: Path) -> Storage:
    del request
    return LocalStorage(folder, sync_interval_seconds=_SELDOM_SECONDS)


def _worker_local(request: pytest.FixtureRequest, folder: Path) -> Storage:
    """Return the storage of one of several workers, whose supervisor has prepared the folder."""
    del request
    (folder / ".active").mkdir(parents=True, exist_ok=True)
    return LocalStorage(folder, sync_interval_seconds=_SELDOM_SECONDS, worker=Worker(1, 3))


def _s3(engine: str) -> Callable[[pytest.FixtureRequest, Path], Storage]:
    def backend(request: pytest.FixtureRequest, folder: Path) -> Storage:
        return S3Storage(
            bucket_settings(request.getfixturevalue(engine), prefix=f"{request.node.name}/"),
            folder,
            UploadSettings(segment_seconds=_SELDOM_SECONDS),
            is_store_checked=True,  # tests/storage/s3/admin/test_doctor.py covers the check
        )

    return backend


BACKENDS: dict[str, Callable[[pytest.FixtureRequest, Path], Storage]] = {
    "local": _local,
    "local-worker": _worker_local,
    "moto": _s3("moto_url"),
    "seaweedfs": _s3("seaweedfs_url"),
}


def bucket_settings(url: str, *, prefix: str) -> BucketSettings:
    return BucketSettings(
        bucket=engines.BUCKET, prefix=prefix, endpoint_url=url, region=engines.REGION
    )


# They vary what the others show.
LONG_BACKENDS = {"local-worker", "moto"}


def _marks(backend: str) -> list[pytest.MarkDecorator]:
    engine = [] if backend.startswith("local") else [pytest.mark.engine]
    return engine + ([pytest.mark.long] if backend in LONG_BACKENDS else [])


_PARAMS = [pytest.param(name, marks=_marks(name)) for name in BACKENDS]


@pytest.fixture(params=_PARAMS)
def open_storage(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Storage]:
    """Return a function that opens the same storage again, as a later process would."""
    backend = BACKENDS[request.param]
    return lambda: backend(request, tmp_path / "recordings")


ReplaceManifest = Callable[[str, bytes], None]


@pytest.fixture
def replace_manifest(request: pytest.FixtureRequest, tmp_path: Path) -> ReplaceManifest:
    """Write other bytes in the place of a session's manifest, past the storage."""
    backend = request.node.callspec.params["open_storage"]

    def replace(session_id: str, data: bytes) -> None:
        if backend.startswith("local"):
            (tmp_path / "recordings" / f"{session_id}.json").write_bytes(data)
            return
        key = f"{request.node.name}/{session_id}.json"
        client = engines.client(request.getfixturevalue(f"{backend}_url"))
        client.put_object(Bucket=engines.BUCKET, Key=key, Body=data)

    return replace


@pytest.fixture
async def storage(open_storage: Callable[[], Storage]) -> AsyncIterator[Storage]:
    storage = open_storage()
    await storage.start()
    yield storage
    await storage.stop()


@pytest.fixture
async def volume(tmp_path: Path) -> AsyncIterator[LocalStorage]:
    """A local storage in ``tmp_path``, whose files the test may change."""
    storage = LocalStorage(tmp_path, sync_interval_seconds=_SELDOM_SECONDS)
    await storage.start()
    yield storage
    await storage.stop()


@contextlib.contextmanager
def file_size_limit(size_bytes: int) -> Iterator[None]:
    """Limit the size of files of this process to ``size_bytes``, to simulate a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def new_manifest(**fields: object) -> Manifest:
    defaults: dict[str, object] = {
        "session_id": str(uuid_utils.compat.uuid7()),
        "sample_rate": 16000,
        "channels": 1,
        "format": "wav",
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return Manifest(**(defaults | fields))  # type: ignore[arg-type]
