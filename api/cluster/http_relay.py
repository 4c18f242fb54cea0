"""Relay of HTTP requests that reached another node than the owner of their session.

The owner answers, whichever node a client reaches, so a load balancer needs no affinity. If the
owner does not answer, this node answers a reading request from storage, and refuses a request
that changes the session until the owner's lease has expired.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from api.access.authorization import find_session
from api.cluster.hop import (
    HOP_BY_HOP,
    OPEN_SECONDS,
    may_relay,
    query_for_owner,
    relayed_headers,
)
from api.session.found import Found
from api.wire.errors import NodeUnreachableError
from api.wire.routing import sent_method
from api.workers.sockets import WorkerSockets
from storage.errors import OwnedElsewhereError
from storage.worker import worker_number

if TYPE_CHECKING:
    import aiohttp

logger = logging.getLogger(__name__)

_BLOCK_BYTES = 64 * 1024

# A reading request does not wait longer for the owner, because storage can answer it too.
_READ_SECONDS = 5.0

Connection = ASGIConnection[Any, Any, Any, Any]
T = TypeVar("T")


class OwnerAnswered(Exception):  # noqa: N818 - no error: it skips the handler
    """The owner has answered the request; `send_owners_answer` sends its answer to the client."""

    def __init__(self, response: Response[None]) -> None:
        super().__init__("the owner has answered")
        self.response = response


async def session_to_read(connection: Connection) -> Found:
    """Return the session that the path names, for a handler that only reads it.

    Raises `OwnerAnswered` if another node owns the session and has answered the request.
    """
    found = await find_session(connection)
    address = await found.owner()
    if address is None or not may_relay(connection.headers, address):
        return found
    try:
        async with asyncio.timeout(_READ_SECONDS):
            response = await _ask(address, connection.scope, b"", silence_seconds=_READ_SECONDS)
    except TimeoutError:
        response = None
    if response is not None:
        raise OwnerAnswered(response)
    logger.warning("%s: owner did not answer, reading from storage", found.session_id)
    return found


async def change_session(
    request: Request[Any, Any, Any], change: Callable[[Found], Awaitable[T]]
) -> T:
    """Return what ``change`` returns for the session that the path names.

    Raises what ``change`` raises, `OwnerAnswered` if another node owns the session and has answered
    the request, and :class:`NodeUnreachableError` if that node does not answer.
    """
    try:
        return await change(await _session_to_change(request))
    except OwnedElsewhereError:  # another node has taken it over since the look-up
        return await change(await _session_to_change(request))


async def _session_to_change(request: Request[Any, Any, Any]) -> Found:
    found = await find_session(request)
    address = await found.owner()
    if address is None:
        return found
    response = None
    if may_relay(request.headers, address):
        # After the duration of a lease without an answer, the owner has lost the session.
        silence_seconds: float = request.app.state.lease_seconds
        body = await request.body()
        response = await _ask(address, request.scope, body, silence_seconds=silence_seconds)
    if response is None:
        raise NodeUnreachableError
    raise OwnerAnswered(response)


def send_owners_answer(_: Request[Any, Any, Any], answered: OwnerAnswered) -> Response[None]:
    """Return the owner's answer; the exception handler of `OwnerAnswered`."""
    return answered.response


class _OwnersAnswer(Response[None]):
    """The owner's answer, before its body has arrived. It is closed after it was sent."""

    def __init__(self, client: "aiohttp.ClientSession", answer: "aiohttp.ClientResponse") -> None:
        super().__init__(None)
        self._client = client
        self._answer = answer

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIResponse:
        return _Forward(self._client, self._answer)


class _Forward(ASGIResponse):
    def __init__(self, client: "aiohttp.ClientSession", answer: "aiohttp.ClientResponse") -> None:
        super().__init__()
        self._client = client
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        async with self._client, self._answer as answer:
            await send({
                "type": "http.response.start",
                "status": answer.status,
                "headers": [
                    (name.lower().encode(), value.encode("latin-1"))
                    for name, value in answer.headers.items()
                    if name.lower() not in HOP_BY_HOP
                ],
            })  # fmt: skip
            async for block in answer.content.iter_chunked(_BLOCK_BYTES):
                await send({"type": "http.response.body", "body": block, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _ask(
    address: str, scope: Scope, body: bytes, *, silence_seconds: float
) -> Response[None] | None:
    """Relay the request with ``body``; return the answer once its headers arrived, or None."""
    import aiohttp  # noqa: PLC0415 - loaded with the S3 client, or by a worker at its start

    if not address:
        return None
    with_credentials: bool = scope["litestar_app"].state.relays_credentials
    relayed = scope["litestar_app"].state.metrics.relayed
    target = f"{scope['path']}?{query_for_owner(scope, with_credentials=with_credentials)}"
    number = worker_number(address)
    headers = relayed_headers(
        scope, with_credentials=with_credentials, to_worker=number is not None
    )
    connector = None
    if number is not None:
        sockets: WorkerSockets = scope["litestar_app"].state.worker_sockets
        connector = aiohttp.UnixConnector(str(await sockets.serving(number)))
        address = "http://worker"
    timeout = aiohttp.ClientTimeout(
        total=None, sock_connect=OPEN_SECONDS, sock_read=silence_seconds
    )
    client = aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)
    try:
        answer = await client.request(
            sent_method(scope),
            address + target,
            headers=headers,
            data=body or None,
            allow_redirects=False,
        )
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        await client.close()
        relayed.labels("http", "failed").inc()
        logger.warning(
            "Failed to relay a request: path=%s owner=%s error=%s", scope["path"], address, error
        )
        return None
    except BaseException:
        await client.close()
        raise
    relayed.labels("http", "accepted").inc()
    return _OwnersAnswer(client, answer)
