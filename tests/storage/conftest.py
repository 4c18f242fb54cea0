"""One fixture, every backend: a new one joins by a line in ``BACKENDS``."""

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

BACKENDS: dict[str, Callable[[Path], Storage]] = {
    # Synced only when asked: what is persisted is then what a test persisted.
    "local": lambda folder: LocalStorage(folder, sync_interval_seconds=3600),
}


@pytest.fixture(params=BACKENDS)
def open_storage(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Storage]:
    """Opens the same place each time it is called, as one process after another would."""
    backend = BACKENDS[request.param]
    return lambda: backend(tmp_path / "recordings")


@pytest.fixture
async def storage(open_storage: Callable[[], Storage]) -> AsyncIterator[Storage]:
    storage = open_storage()
    await storage.start()
    yield storage
    await storage.stop()


@contextlib.contextmanager
def file_size_limit(size_bytes: int) -> Iterator[None]:
    """Files of this process cannot grow beyond ``size_bytes``: a full disk."""
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
