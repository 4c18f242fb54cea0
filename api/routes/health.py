"""Health checks for load balancers and supervisors."""

from litestar import get

from api import __version__
from api.routes.request import Injected
from api.session.registry import Registry
from api.wire.errors import DiskReserveError
from api.wire.messages import Health, Readiness
from api.wire.openapi import errors
from storage.base import Storage
from storage.errors import StorageUnavailableError
from storage.supervisor import Supervisor


@get(
    "/health",
    tags=["system"],
    operation_id="getHealth",
    response_description="The process is running",
    summary="Check that the process is running",
)
async def health(
    registry: Injected[Registry], storage: Injected[Storage], supervisor: Injected[Supervisor]
) -> Health:
    unpersisted = registry.unpersisted()
    failing = [f"background task {name} failed, see the log" for name in supervisor.failing]
    problems = [*storage.problems(), *failing]
    return Health(
        status="degraded" if problems else "ok",
        version=__version__,
        active_sessions=len(registry.live),
        unpersisted_bytes=unpersisted.pcm_bytes,
        unpersisted_seconds=unpersisted.seconds,
        problems=problems,
    )


@get(
    "/health/ready",
    tags=["system"],
    operation_id="getReadiness",
    response_description="New sessions can be recorded",
    summary="Check that storage is writable: writes an object and removes it",
    responses=errors(StorageUnavailableError(), DiskReserveError(50, 100)),
)
async def ready(storage: Injected[Storage], registry: Injected[Registry]) -> Readiness:
    await registry.check_disk()
    await storage.check()
    return Readiness(status="ready", active_sessions=len(registry.live))
