"""Health checks for load balancers and supervisors."""

import asyncio

from litestar import get

from api import __version__
from api.node_monitor import NodeMonitor
from api.routes.request import Injected
from api.session.registry import Registry
from api.wire.errors import DiskReserveError
from api.wire.messages import Health, Readiness
from api.wire.openapi import errors
from storage.base import Storage
from storage.errors import StorageUnavailableError


class StorageCheck:
    """Checks storage; all that ask while a check runs get its result."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._running: asyncio.Task[None] | None = None

    async def __call__(self) -> None:
        """Return if storage is writable. Raises :class:`StorageUnavailableError`."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._storage.check(), name="storage-check")
        await asyncio.shield(self._running)  # a client that disconnects must not cancel it


@get(
    "/health",
    tags=["system"],
    operation_id="getHealth",
    response_description="The process is running",
    summary="Check that the process is running",
)
async def health(registry: Injected[Registry], monitor: Injected[NodeMonitor]) -> Health:
    unpersisted, problems = registry.unpersisted(), monitor.problems()
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
async def ready(check: Injected[StorageCheck], registry: Injected[Registry]) -> Readiness:
    await registry.check_disk()
    await check()
    return Readiness(status="ready", active_sessions=len(registry.live))
