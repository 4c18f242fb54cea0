"""Relay of WebSockets that reached another process than the owner of their session.

The relay has one socket to the client and one to the owner. It reads from one only after it has
written to the other, so a slow side slows down the other side.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

from litestar import WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.protocol import State
from websockets.typing import Subprotocol

from api.access.credentials import SUBPROTOCOL
from api.cluster.hop import OPEN_SECONDS, may_relay, query_for_owner, relayed_headers
from api.observe.metrics import Metrics
from api.wire.errors import NodeUnreachableError
from api.workers.sockets import WorkerSockets
from storage.worker import worker_number

logger = logging.getLogger(__name__)

_QUEUED_MESSAGES = 4

_END_SECONDS = 5.0  # for an owner to read what is left

# Codes that no close frame has (RFC 6455, section 7.4.1): it had none, or there was none.
_NO_CODE = 1005
_NO_CLOSE_FRAME = {1006, 1015}

Socket = WebSocket[Any, Any, Any]


class SocketRelay:
    """Relays a client's WebSocket to the owner of its session."""

    def __init__(
        self,
        *,
        max_message_bytes: int,
        silence_seconds: float,
        with_credentials: bool,
        metrics: Metrics,
        sockets: WorkerSockets | None = None,
    ) -> None:
        """Create the relay; it drops an owner that answers no ping for ``silence_seconds``.

        ``silence_seconds`` is the duration of a lease: after it the owner has lost the session.
        ``with_credentials``: the owner gets the credentials of the client. ``sockets``: those of
        the workers, if there are several.
        """
        self._metrics = metrics
        self._with_credentials = with_credentials
        self._max_message_bytes = max_message_bytes
        self._silence_seconds = silence_seconds
        self._sockets = sockets

    async def __call__(self, socket: Socket, address: str) -> object:
        """Relay to the owner of the session that the path names; return the close code.

        A worker of this machine gets a connection before the handshake (`Handover`), unless it has
        taken the session up since. Raises :class:`NodeUnreachableError` as :meth:`connect` does.
        """
        return await self.run(socket, await self.connect(socket, address))

    async def connect(self, socket: Socket, address: str) -> ClientConnection:
        """Connect to the owner at ``address`` as the client has connected to this process.

        Raises :class:`NodeUnreachableError` if the owner does not accept the connection.
        """
        try:
            owner = await self._connect(socket, address)
        except NodeUnreachableError:
            self._metrics.relayed.labels("socket", "failed").inc()
            raise
        self._metrics.relayed.labels("socket", "accepted").inc()
        return owner

    async def run(
        self, socket: Socket, owner: ClientConnection, first: Iterable[Any] = ()
    ) -> object:
        """Relay until one side closes; return the close code.

        The owner gets the messages ``first`` before those that arrive. Either side gets the close
        code of the other one, and the client its reason, too.
        """
        answering = asyncio.create_task(_to_client(owner, socket), name="relay-to-client")
        code: object = None
        try:
            code = await _to_owner(socket, owner, first)
        except ConnectionClosed:
            return await answering  # it closes the client's socket with the owner's code
        finally:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)
            await _end(owner, code)
        return code

    async def _connect(self, socket: Socket, address: str) -> ClientConnection:
        if not address or not may_relay(socket.headers, address):
            raise NodeUnreachableError
        number = worker_number(address)
        headers = relayed_headers(
            socket.scope, with_credentials=self._with_credentials, to_worker=number is not None
        )
        options: dict[str, Any] = {}
        if number is not None:
            assert self._sockets is not None
            options = {"unix": True, "path": str(await self._sockets.serving(number))}
            address = f"http://{headers.pop('host', 'localhost')}"
        offered = socket.scope["subprotocols"]
        if not self._with_credentials and SUBPROTOCOL in offered:
            offered = [SUBPROTOCOL]
        try:
            return await connect(
                f"ws{address.removeprefix('http')}{self._target(socket)}",
                additional_headers=headers,
                user_agent_header=None,  # that of the client
                subprotocols=[Subprotocol(name) for name in offered] or None,
                max_size=self._max_message_bytes,
                max_queue=_QUEUED_MESSAGES,
                open_timeout=OPEN_SECONDS,
                ping_interval=self._silence_seconds / 3,
                ping_timeout=self._silence_seconds,
                compression=None,
                proxy=None,
                **options,
            )
        except (OSError, TimeoutError, InvalidHandshake, InvalidURI) as error:
            logger.warning(
                "Failed to relay a WebSocket: path=%s owner=%s error=%s",
                socket.scope["path"],
                address if number is None else f"worker {number}",
                error,
            )
            raise NodeUnreachableError from error

    def _target(self, socket: Socket) -> str:
        """Return path and query as the client has sent them: platforms sign them."""
        path = socket.scope["raw_path"].decode("latin-1")
        if not self._with_credentials and "token" in socket.path_params:
            path = path.rpartition("/")[0]
        query = query_for_owner(socket.scope, with_credentials=self._with_credentials)
        return f"{path}?{query}" if query else path


async def _to_owner(socket: Socket, owner: ClientConnection, first: Iterable[Any]) -> object:
    """Relay until the client disconnects, or `_to_client` has closed its socket.

    Return the close code that the client sent.
    """
    for event in first:
        if not await _pass_on(event, owner):
            return event.get("code")
    while await _pass_on(event := await socket.receive(), owner):
        pass
    return event.get("code")


async def _pass_on(event: Any, owner: ClientConnection) -> bool:
    """Send a message to the owner; return False for the end of the connection."""
    if event["type"] != "websocket.receive":
        return False
    data = event.get("bytes")
    await owner.send(event.get("text") or "" if data is None else data)
    return True


async def _to_client(owner: ClientConnection, socket: Socket) -> int | None:
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


async def _end(owner: ClientConnection, code: object) -> None:
    """End the connection to the owner as that of the client has ended, with ``code``.

    A call whose connection is lost may go on; one that was closed has ended.
    """
    if isinstance(code, int) and code not in _NO_CLOSE_FRAME:
        await owner.close(1000 if code == _NO_CODE else code)
    elif owner.state is not State.CLOSED:
        end = owner.transport.write_eof  # after all that was sent
        if not owner.transport.can_write_eof():  # TLS
            end = owner.transport.close
        try:
            end()
            async with asyncio.timeout(_END_SECONDS):
                await owner.wait_closed()
        except TimeoutError:
            owner.transport.abort()
