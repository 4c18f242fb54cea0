"""What reached the wrong node, handed on to the one that has the session.

Any load balancer will do: whichever node a client reaches, it speaks to the owner. One socket
becomes two, back to back; who is slow slows down the other.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, cast

import aiohttp
from litestar import Request, Response, WebSocket
from litestar.response.base import ASGIResponse
from litestar.types import HTTPScope, Receive, Scope, Send
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from api.wire.error_answers import error_body
from api.wire.errors import NodeUnreachableError, to_wire_error
from api.wire.messages import encode
from storage.errors import OwnedElsewhereError

logger = logging.getLogger(__name__)

HOP = "x-sercuescribe-relayed"

_CREDENTIALS = ("authorization", "x-api-key")

_OPEN_SECONDS = 5.0
_QUEUED_MESSAGES = 4
_BLOCK_BYTES = 64 * 1024
# RFC 9110, section 7.6.1, and what each side makes for itself.
_OF_ONE_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer", "date"}


async def relay_socket(
    socket: WebSocket[Any, Any, Any],
    owner: OwnedElsewhereError,
    *,
    max_size_bytes: int,
    silence_seconds: float,
) -> None:
    """Be in between until either side ends it; its code and reason reach the other.

    An owner that answers no ping for ``silence_seconds`` has lost the session by then.
    """
    if HOP in socket.headers:  # two nodes that take each other for the owner must not play ball
        raise NodeUnreachableError
    query = f"?{socket.scope['query_string'].decode()}"
    url = f"ws{owner.address.removeprefix('http')}{socket.scope['path']}{query}"
    try:
        ahead = await connect(
            url,
            additional_headers={HOP: "1", **_passed_on(socket)},
            subprotocols=[Subprotocol(name) for name in socket.scope["subprotocols"]] or None,
            max_size=max_size_bytes,
            max_queue=_QUEUED_MESSAGES,
            open_timeout=_OPEN_SECONDS,
            ping_interval=silence_seconds / 3,
            ping_timeout=silence_seconds,
            compression=None,
            proxy=None,
        )
    except (OSError, TimeoutError, InvalidHandshake) as error:
        logger.warning("%s does not answer: %s", owner.address, error)
        raise NodeUnreachableError from error
    answering = asyncio.create_task(_to_client(ahead, socket), name="relay-to-client")
    try:
        await _to_owner(socket, ahead)
    except ConnectionClosed:
        await answering  # it tells the client how it ended
    finally:
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)
        await ahead.close()


def relaying(
    silence_seconds: float,
) -> Callable[[Request[Any, Any, Any], OwnedElsewhereError], Response[Any]]:
    """An exception handler that gives the owner's answer to the same request."""

    def relayed(request: Request[Any, Any, Any], owner: OwnedElsewhereError) -> Response[Any]:
        return _OwnersAnswer("" if HOP in request.headers else owner.address, silence_seconds)

    return relayed


_ERROR = NodeUnreachableError()
_UNREACHABLE = ASGIResponse(
    body=encode(error_body(_ERROR)),
    status_code=to_wire_error(_ERROR).http_status,
    media_type="application/json",
)


class _OwnersAnswer(Response[None]):
    def __init__(self, address: str, silence_seconds: float) -> None:
        super().__init__(None)
        self._forward = _Forward(address, silence_seconds)

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIResponse:
        return self._forward


class _Forward(ASGIResponse):
    """Asks the owner, and streams what it says."""

    def __init__(self, address: str, silence_seconds: float) -> None:
        super().__init__()
        self._address = address
        self._timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=_OPEN_SECONDS, sock_read=silence_seconds
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        url = f"{self._address}{scope['path']}?{scope['query_string'].decode()}"
        if not self._address:
            await _UNREACHABLE(scope, receive, send)
            return
        headers = (
            {HOP: "1"}
            | _forwarded_for(scope)
            | {
                name.decode(): value.decode("latin-1")
                for name, value in scope["headers"]
                if name.decode() not in _OF_ONE_HOP | {"x-forwarded-for"}
            }
        )
        async with aiohttp.ClientSession(timeout=self._timeout, auto_decompress=False) as client:
            try:
                answer = await client.request(
                    cast("HTTPScope", scope)["method"], url, headers=headers, allow_redirects=False
                )
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                logger.warning("%s does not answer: %s", self._address, error)
                await _UNREACHABLE(scope, receive, send)
                return
            async with answer:
                await send({
                    "type": "http.response.start",
                    "status": answer.status,
                    "headers": [
                        (name.lower().encode(), value.encode("latin-1"))
                        for name, value in answer.headers.items()
                        if name.lower() not in _OF_ONE_HOP
                    ],
                })  # fmt: skip
                async for block in answer.content.iter_chunked(_BLOCK_BYTES):
                    await send({"type": "http.response.body", "body": block, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})


def _passed_on(socket: WebSocket[Any, Any, Any]) -> dict[str, str]:
    """Who the client is: the owner asks for itself. Its origin was checked here."""
    passed = {name: socket.headers[name] for name in _CREDENTIALS if name in socket.headers}
    return passed | _forwarded_for(socket.scope)


def _forwarded_for(scope: Scope) -> dict[str, str]:
    """Believed by an owner whose TRUSTED_PROXIES has this node."""
    client = scope.get("client")
    return {"x-forwarded-for": client[0]} if client else {}


async def _to_owner(socket: WebSocket[Any, Any, Any], ahead: ClientConnection) -> None:
    """Until the client is gone, or has been told that the owner is."""
    while (event := await socket.receive())["type"] == "websocket.receive":
        data = event.get("bytes")
        await ahead.send(event.get("text") or "" if data is None else data)


async def _to_client(ahead: ClientConnection, socket: WebSocket[Any, Any, Any]) -> None:
    try:
        while True:
            message = await ahead.recv()
            text, data = (message, None) if isinstance(message, str) else (None, message)
            await socket.send({"type": "websocket.send", "bytes": data, "text": text})
    except ConnectionClosed as end:
        # Without a close frame the owner is gone, and another node will take over.
        code, reason = (end.rcvd.code, end.rcvd.reason) if end.rcvd else (1012, "try again")
        await socket.close(code, reason)
    except OSError:
        return  # the client is gone
