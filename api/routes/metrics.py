"""The state of this node, for admins: as metrics, and for the page ``/status``."""

from litestar import Response, get

from api.access.authorization import requires
from api.node_monitor import NodeMonitor
from api.observe.exposition import CONTENT_TYPE
from api.routes.request import Injected
from api.wire.node_status import NodeStatus
from api.wire.openapi import COMMON_ERRORS, errors


@get(
    "/metrics",
    media_type=CONTENT_TYPE,
    guards=[requires("admin")],
    responses=errors(*COMMON_ERRORS),
    tags=["system"],
    operation_id="getMetrics",
    response_description="The metrics in the text format of Prometheus",
    summary="Get the metrics of this node",
)
async def metrics(monitor: Injected[NodeMonitor]) -> Response[bytes]:
    return Response(await monitor.exposition(), media_type=CONTENT_TYPE)


@get(
    "/api/status",
    guards=[requires("admin")],
    responses=errors(*COMMON_ERRORS),
    tags=["system"],
    operation_id="getStatus",
    response_description="The state of the node that answers",
    summary="Get the state of this node: sessions, lag, store, background tasks",
)
async def status(monitor: Injected[NodeMonitor]) -> NodeStatus:
    return await monitor.status()
