"""Relay of WebSockets that reached another node than the owner of their session.

The relay has one socket to the client and one to the owner. It reads from one only after it has
written to the other, so a slow side slows down the other side.
"""

import asyncio
import logging
from typing import Any

from litestar import WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from api.access.credentials import SUBPROTOCOL
from api.cluster.hop import (
    CREDENTIAL_HEADERS,
    HOP_HEADER,
    OPEN_SECONDS,
    query_for_owner,
    relayed_headers,
)
from api.observe.metrics import Metrics
from api.wire.errors import NodeUnreachableError
from storage.worker import worker_number

logger = logging.getLogger(__name__)

_QUEUED_MESSAGES = 4


class SocketRelay:
    """Relays a client's WebSocket to the owner of its session."""

    def __init__(
        self,
        *,
        max_message_bytes: int,
        silence_seconds: float,
        with_credentials: bool,
        metrics: Metrics,
    ) -> None:
        """Create the relay; it drops an owner that answers no ping for ``silence_seconds``.

        ``silence_seconds`` is the duration of a lease: after it the owner has lost the session.
        ``with_credentials``: the owner gets the credentials of the client.
        """
        self._metrics = metrics
        self._with_credentials = with_credentials
        self._max_message_bytes = max_message_bytes
        self._silence_seconds = silence_seconds

    async def __call__(self, socket: WebSocket[Any, Any, Any], address: str) -> object:
        """Relay to the owner at ``address`` until one side closes; return the close code.

        The client gets the owner's close code and reason. Raises :class:`NodeUnreachableError` if
        the owner does not accept the connection.
        """
        try:
            owner = await self._connect(socket, address)
        except NodeUnreachableError:
            self._metrics.relayed.labels("socket", "failed").inc()
            raise
        self._metrics.relayed.labels("socket", "accepted").inc()
        answering = asyncio.create_task(_to_client(owner, socket), name="relay-to-client")
        try:
            return await _to_owner(socket, owner)
        except ConnectionClosed:
            return await answering  # it closes the client's socket with the owner's code
        finally:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)
            await owner.close()

    async def _connect(self, socket: WebSocket[Any, Any, Any], address: str) -> ClientConnection:
        # A worker of this machine gets connections before the handshake: see `Handover`.
        if HOP_HEADER in socket.headers or not address or worker_number(address) is not None:
            raise NodeUnreachableError
        query = query_for_owner(socket.scope, with_credentials=self._with_credentials)
        offered = socket.scope["subprotocols"]
        if not self._with_credentials and SUBPROTOCOL in offered:
            offered = [SUBPROTOCOL]
        try:
            return await connect(
                f"ws{address.removeprefix('http')}{socket.scope['path']}?{query}",
                additional_headers=self._headers(socket),
                subprotocols=[Subprotocol(name) for name in offered] or None,
                max_size=self._max_message_bytes,
                max_queue=_QUEUED_MESSAGES,
                open_timeout=OPEN_SECONDS,
                ping_interval=self._silence_seconds / 3,
                ping_timeout=self._silence_seconds,
                compression=None,
                proxy=None,
            )
        except (OSError, TimeoutError, InvalidHandshake) as error:
            logger.warning(
                "Failed to relay a WebSocket: path=%s owner=%s error=%s",
                socket.scope["path"],
                address,
                error,
            )
            raise NodeUnreachableError from error

    def _headers(self, socket: WebSocket[Any, Any, Any]) -> dict[str, str]:
        """Return the headers for the owner, with the credentials, without the origin.

        This node has checked the origin already.
        """
        passed = relayed_headers(socket.scope)
        if self._with_credentials:
            shown = CREDENTIAL_HEADERS & set(socket.headers)
            passed |= {name: socket.headers[name] for name in shown}
        return passed


async def _to_owner(socket: WebSocket[Any, Any, Any], owner: ClientConnection) -> object:
    """Relay until the client disconnects, or `_to_client` has closed its socket.

    Return the close code that the client sent.
    """
    while (event := await socket.receive())["type"] == "websocket.receive":
        data = event.get("bytes")
        await owner.send(event.get("text") or "" if data is None else data)
    return event.get("code")


async def _to_client(owner: ClientConnection, socket: WebSocket[Any, Any, Any]) -> int | None:
    """Relay until the owner closes; return its close code, None if the client has gone."""
    try:
        while True:
            message = await owner.recv()
            text, data = (message, None) if isinstance(message, str) else (None, message)
            await socket.send({"type": "websocket.send", "bytes": data, "text": text})
    except ConnectionClosed as end:
        # Without a close frame the owner has died, and another node will take over.
        code, reason = (end.rcvd.code, end.rcvd.reason) if end.rcvd else (1012, "try again")
        await socket.close(code, reason)
        return code
    except OSError:
        return None  # the client has disconnected
