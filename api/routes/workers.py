"""Endpoints for the other workers of this service only, over their Unix sockets."""

from litestar import Response, get, post
from litestar.exceptions import NotFoundException

from api.cluster.siblings import COMPLETE_UNUSED, METRICS
from api.node_monitor import NodeMonitor
from api.observe.exposition import CONTENT_TYPE
from api.routes.request import HttpRequest, Injected
from api.session.registry import Registry


@post(COMPLETE_UNUSED, include_in_schema=False, status_code=200)
async def complete_unused(request: HttpRequest, registry: Injected[Registry], user_id: str) -> bool:
    """Complete a session that the user has created and not used; return whether there was one."""
    _refuse_clients(request)
    return await registry.complete_unused(user_id)


@get(METRICS, include_in_schema=False, media_type=CONTENT_TYPE)
async def worker_metrics(request: HttpRequest, monitor: Injected[NodeMonitor]) -> Response[bytes]:
    """Return the metrics of this worker alone."""
    _refuse_clients(request)
    return Response(await monitor.exposition(), media_type=CONTENT_TYPE)


def _refuse_clients(request: HttpRequest) -> None:
    if request.scope.get("client") is not None:  # it did not arrive over the Unix socket
        raise NotFoundException
