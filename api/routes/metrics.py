"""The metrics of this node, for admins; METRICS_ADDRESS serves them without authentication."""

from litestar import Response, get

from api.access.authorization import requires
from api.node_monitor import NodeMonitor
from api.observe.exposition import CONTENT_TYPE
from api.routes.request import Injected
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
