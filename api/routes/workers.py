"""Endpoints for the other workers of this service only, over their Unix sockets."""

from typing import Annotated
from uuid import UUID

from litestar import Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import QueryParameter

from api.cluster.siblings import COMPLETE_UNUSED, LIVE_SESSIONS, METRICS, STATUS
from api.node_monitor import NodeMonitor
from api.observe.exposition import CONTENT_TYPE
from api.routes.request import HttpRequest, Injected
from api.session.registry import Registry
from api.wire.messages import SessionInfo
from api.wire.node_status import NodeStatus
from api.workers.sockets import is_from_worker

UserId = Annotated[str, QueryParameter(name="user_id")]
Oldest = Annotated[UUID, QueryParameter(name="oldest")]
Newest = Annotated[UUID, QueryParameter(name="newest")]


@post(COMPLETE_UNUSED, include_in_schema=False, status_code=200)
async def complete_unused(
    request: HttpRequest, registry: Injected[Registry], user_id: UserId
) -> bool:
    """Complete a session that the user has created and not used; return whether there was one."""
    _check_worker(request)
    return await registry.complete_unused(user_id)


@get(LIVE_SESSIONS, include_in_schema=False)
async def live_sessions(
    request: HttpRequest, registry: Injected[Registry], oldest: Oldest, newest: Newest
) -> list[SessionInfo]:
    """Return the sessions that are live in this worker, for a list that another one makes."""
    _check_worker(request)
    return registry.pages.live_between(oldest, newest)


@get(METRICS, include_in_schema=False, media_type=CONTENT_TYPE)
async def worker_metrics(request: HttpRequest, monitor: Injected[NodeMonitor]) -> Response[bytes]:
    """Return the metrics of this worker alone."""
    _check_worker(request)
    return Response(await monitor.exposition(), media_type=CONTENT_TYPE)


@get(STATUS, include_in_schema=False)
async def worker_status(request: HttpRequest, monitor: Injected[NodeMonitor]) -> NodeStatus:
    """Return the state of this worker alone."""
    _check_worker(request)
    return await monitor.status()


def _check_worker(request: HttpRequest) -> None:
    """Raise ``NotFoundException`` unless the request arrived over the Unix socket."""
    if not is_from_worker(request.scope):
        raise NotFoundException
