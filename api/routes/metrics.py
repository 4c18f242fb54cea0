"""The state of this node, for admins: as metrics, and for the page ``/status``."""

import asyncio

import msgspec
from litestar import Response, get

from api.access.authorization import requires
from api.cluster.siblings import METRICS, STATUS, Siblings
from api.node_monitor import NodeMonitor
from api.observe.exposition import CONTENT_TYPE, merged
from api.routes.request import Injected
from api.wire.node_status import NodeStatus
from api.wire.node_status import merged as merged_status
from api.wire.openapi import COMMON_ERRORS, errors
from storage import threads

_decode_status = msgspec.json.Decoder(NodeStatus).decode


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
async def metrics(monitor: Injected[NodeMonitor], siblings: Injected[Siblings]) -> Response[bytes]:
    return Response(await service_exposition(monitor, siblings), media_type=CONTENT_TYPE)


async def service_exposition(monitor: NodeMonitor, siblings: Siblings) -> bytes:
    """Return the metrics of all workers; of one that does not answer, there are none."""
    own, others = await asyncio.gather(monitor.exposition(), siblings.ask(METRICS))
    if siblings.own_number is None:
        return own
    found = {str(number): text for number, text in others.items() if text is not None}
    return await threads.reading.run(merged, {str(siblings.own_number): own, **found})


@get(
    "/api/status",
    guards=[requires("admin")],
    responses=errors(*COMMON_ERRORS),
    tags=["system"],
    operation_id="getStatus",
    response_description="The state of the node that answers",
    summary="Get the state of this node: sessions, lag, store, background tasks",
)
async def status(monitor: Injected[NodeMonitor], siblings: Injected[Siblings]) -> NodeStatus:
    own, others = await asyncio.gather(monitor.status(), siblings.ask(STATUS))
    silent = [number for number, body in others.items() if body is None]
    own.problems += [f"worker {number} does not answer" for number in silent]
    found = [_decode_status(body) for body in others.values() if body is not None]
    return merged_status([own, *found])
