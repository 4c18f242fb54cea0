"""Fixtures that several test folders use."""

import collections
import gc
import os
import re
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import hypothesis
import pytest

from tests import engines
from tests.service import Service

# A busy machine needs longer than the deadline for one example, and to generate one.
_PATIENT = hypothesis.settings(
    deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
# A test says the same of the same code, whenever it runs; `make fuzz` looks for new examples.
hypothesis.settings.register_profile("tests", _PATIENT, derandomize=True)
hypothesis.settings.register_profile("fuzz", _PATIENT, max_examples=1000)
hypothesis.settings.load_profile("tests")

# A test that uses one of these, or that is named after an S3 engine, is not fast. Others may share
# one service.
_ENGINES = {"start_service", "moto_url", "seaweedfs_url", "browser"}
_S3_ENGINE = re.compile(r"\[.*(moto|seaweedfs)")


def pytest_xdist_auto_num_workers() -> int:
    """Two workers per core, which keep it busy. Each starts S3 engines of its own."""
    return min(2 * (os.cpu_count() or 1), 8)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _ENGINES.intersection(_fixtures(item)) or _S3_ENGINE.search(item.name):
            item.add_marker(pytest.mark.engine)
    # The slow and large files first, so that no worker gets one when the others are about to end.
    processes = _ENGINES | {"service", "open_storage"}
    slow = {item.path for item in items if processes.intersection(_fixtures(item))}
    sizes = collections.Counter(item.path for item in items)
    items.sort(key=lambda item: (item.path not in slow, -sizes[item.path], item.path))


def pytest_collection_finish() -> None:
    """Let garbage collections skip the tests and what they import: it lives until the end."""
    gc.collect()
    gc.freeze()


def _fixtures(item: pytest.Item) -> Collection[str]:
    return getattr(item, "fixturenames", ())


@pytest.fixture
def start_service(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Return a function that starts a server with given settings; kill all servers at the end."""
    started: list[Service] = []

    def start(**settings: object) -> Service:
        service = Service(tmp_path / f"recordings-{len(started)}", **settings)
        started.append(service)
        return service.start()

    yield start
    for service in started:
        if service.is_running:
            service.kill()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A server with default settings, shared by the tests of a module."""
    service = Service(tmp_path_factory.mktemp("recordings")).start()
    yield service
    assert service.stop() == 0


@pytest.fixture(scope="session")
def credentials() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in engines.CREDENTIALS.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def moto_url(tmp_path_factory: pytest.TempPathFactory, credentials: None) -> Iterator[str]:
    with engines.moto(tmp_path_factory.mktemp("moto")) as url:
        engines.client(url).create_bucket(Bucket=engines.BUCKET)
        yield url


@pytest.fixture(scope="session")
def seaweedfs_url(tmp_path_factory: pytest.TempPathFactory, credentials: None) -> Iterator[str]:
    with engines.seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as url:
        engines.client(url).create_bucket(Bucket=engines.BUCKET)
        yield url


@pytest.fixture
def on_bucket(
    start_service: Callable[..., Service], seaweedfs_url: str, tmp_path: Path
) -> Callable[..., Service]:
    """Return a function that starts a service on the shared bucket with a spool of its own.

    Its lease does not expire while a busy machine does not let it renew it. A test in which a node
    dies sets a shorter one.
    """

    def start(**settings: object) -> Service:
        bucket: dict[str, object] = {
            "storage_backend": "s3",
            "s3_bucket": engines.BUCKET,
            "s3_prefix": f"{tmp_path.name}/",
            "s3_endpoint_url": seaweedfs_url,
            "lease_seconds": 60,
        }
        return start_service(**bucket | settings)

    return start


@pytest.fixture
def objects(seaweedfs_url: str, tmp_path: Path) -> Callable[[], dict[str, bytes]]:
    """Return a function that reads all objects of the test, without the time index."""

    def read() -> dict[str, bytes]:
        found = engines.objects(seaweedfs_url, f"{tmp_path.name}/")
        return {key: body for key, body in found.items() if not key.startswith("_index/time/")}

    return read


class ManualClock:
    """A clock that only the test advances, or sets: then only the wall clock moves."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.set_by_seconds = 0.0

    def now(self) -> datetime:
        seconds = self.seconds + self.set_by_seconds
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()
