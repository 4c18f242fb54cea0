"""Health checks for load balancers and supervisors."""

import asyncio
from collections.abc import Mapping

import msgspec
from litestar import get

from api import __version__
from api.cluster.siblings import Siblings
from api.node_monitor import NodeMonitor
from api.routes.request import HttpRequest, Injected
from api.session.registry import Registry
from api.wire.errors import DiskReserveError
from api.wire.messages import Health, Readiness
from api.wire.openapi import errors
from api.workers.sockets import is_from_worker
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
async def health(
    request: HttpRequest,
    registry: Injected[Registry],
    monitor: Injected[NodeMonitor],
    siblings: Injected[Siblings],
) -> Health:
    unpersisted, problems = registry.unpersisted(), monitor.problems()
    own = Health(
        status="degraded" if problems else "ok",
        version=__version__,
        active_sessions=len(registry.live),
        unpersisted_bytes=unpersisted.pcm_bytes,
        unpersisted_seconds=unpersisted.seconds,
        problems=problems,
    )
    if is_from_worker(request.scope):
        return own
    return merged(own, await siblings.ask("/health"))


def merged(own: Health, others: Mapping[int, bytes | None]) -> Health:
    """Return the health of the service; ``others`` are the answers of its other workers."""
    found, problems = [own], list(own.problems)
    for number, body in others.items():
        if body is None:
            problems.append(f"worker {number} does not answer")
            continue
        health = msgspec.json.decode(body, type=Health)
        found.append(health)
        problems += [each for each in health.problems if each not in problems]
    return Health(
        status="degraded" if problems else "ok",
        version=own.version,
        active_sessions=sum(each.active_sessions for each in found),
        unpersisted_bytes=sum(each.unpersisted_bytes for each in found),
        unpersisted_seconds=max(each.unpersisted_seconds for each in found),
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
async def ready(
    check: Injected[StorageCheck], registry: Injected[Registry], siblings: Injected[Siblings]
) -> Readiness:
    await registry.check_disk()
    await check()
    others = await siblings.ask("/health")
    found = [msgspec.json.decode(each, type=Health) for each in others.values() if each]
    active_sessions = len(registry.live) + sum(each.active_sessions for each in found)
    return Readiness(status="ready", active_sessions=active_sessions)
