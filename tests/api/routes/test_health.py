"""Health, for load balancers and supervisors."""

import shutil
from collections.abc import Callable

from api import __version__
from tests.service import Service


def test_health_says_that_the_process_answers(service: Service) -> None:
    answer = service.get("/health")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "version": __version__,
        "active_sessions": 0,
        "unpersisted_bytes": 0,
        "unpersisted_seconds": 0.0,
    }


def test_ready_says_that_storage_can_be_written(service: Service) -> None:
    answer = service.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ready"


def test_ready_fails_with_the_storage(start_service: Callable[..., Service]) -> None:
    service = start_service()
    shutil.rmtree(service.folder)
    answer = service.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json() == {
        "error": "Storage is not available, try again later",
        "code": "storage_unavailable",
    }
    assert service.get("/health").status_code == 200
