"""Health endpoints for load balancers and supervisors."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

from litestar.testing import RequestFactory

from api import __version__
from api.cluster.siblings import Siblings
from api.routes.health import StorageCheck, health
from api.session.registry import Registry
from storage.errors import StorageUnavailableError
from storage.local import LocalStorage
from storage.supervisor import Supervisor
from tests.service import Service


def test_health_reports_that_the_process_responds(service: Service) -> None:
    answer = service.get("/health")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "problems": [],
        "version": __version__,
        "active_sessions": 0,
        "unpersisted_bytes": 0,
        "unpersisted_seconds": 0.0,
    }


async def test_health_names_a_background_task_that_failed(
    registry: Registry, storage: LocalStorage
) -> None:
    supervisor, failed = Supervisor(), asyncio.Event()

    async def fail() -> None:
        failed.set()
        raise LookupError("a defect")

    task = supervisor.start("retention", fail)
    await failed.wait()
    request = RequestFactory().get()
    answer = await health.fn(
        request=request,
        registry=registry,
        storage=storage,
        supervisor=supervisor,
        siblings=Siblings(None),
    )
    assert answer.status == "degraded"
    assert answer.problems == ["background task retention failed, see the log"]
    task.cancel()


def test_ready_reports_that_storage_is_writable(service: Service) -> None:
    answer = service.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ready"


def test_ready_fails_if_storage_is_not_writable(start_service: Callable[..., Service]) -> None:
    service = start_service()
    shutil.rmtree(service.folder)
    answer = service.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json() == {
        "error": "Storage is not available, try again later",
        "code": "storage_unavailable",
    }
    assert service.get("/health").status_code == 200


async def test_below_the_disk_reserve_new_sessions_are_refused_and_ready_says_why(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(min_free_disk_mb=10**9)
    for refused in (service.get("/health/ready"), service.post("/api/audio/sessions")):
        assert (refused.status_code, refused.json()["code"]) == (503, "disk_reserve")
        assert "new sessions need 1000000000 (MIN_FREE_DISK_MB)" in refused.json()["error"]
    async with service.connect() as client:
        assert (await client.receive())["code"] == "disk_reserve"
        assert (await client.closed())[0] == 1013
    assert service.get("/health").status_code == 200


class SlowStorage(LocalStorage):
    """A store whose answer the test holds back."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.answer = asyncio.Event()
        self.probes = 0

    async def check(self) -> None:
        self.probes += 1
        await self.answer.wait()
        await super().check()


async def test_many_that_ask_at_once_cause_one_probe_also_if_one_leaves(tmp_path: Path) -> None:
    storage = SlowStorage(tmp_path / "missing")
    check = StorageCheck(storage)
    asking = [asyncio.create_task(check()) for _ in range(50)]
    await asyncio.sleep(0)
    asking[0].cancel()
    storage.answer.set()
    found = await asyncio.gather(*asking[1:], return_exceptions=True)
    assert {type(error) for error in found} == {StorageUnavailableError}
    assert storage.probes == 1
    (tmp_path / "missing").mkdir()
    await check()
    assert storage.probes == 2
