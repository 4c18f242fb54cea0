"""The WebSocket of a telephone or voice platform, which gets no message of the native protocol."""

import contextlib
from collections.abc import Awaitable, Callable

from api.dialects.detection import Handshake
from api.routes.client_socket import ClientSocket, RawWebSocket
from api.wire.messages import ServerMessage

# What ends a connection without a close frame of the platform: RFC 6455, section 7.4.1. The others
# are violations of the protocol, and a node that goes away.
_LOST = {1002, 1006, 1007, 1009, 1012}


class CallSocket(ClientSocket):
    """Says with the close code alone what a native client gets as a message, too."""

    record_held: Callable[[], Awaitable[None]] | None = None  # once the call is recorded

    async def hand_over(self) -> None:
        if self.record_held is not None:
            await self.record_held()

    async def send(self, message: ServerMessage) -> None:
        """Send nothing: platforms take unknown messages for commands, or for errors."""

    async def send_reply(self, text: str) -> None:
        """Send a text that the platform waits for; do nothing if it has disconnected."""
        if self._closed:
            return
        try:
            await self.socket.send({"type": "websocket.send", "bytes": None, "text": text})
        except OSError:
            self._closed = True

    async def close(self) -> None:
        """Close the connection, which has recorded nothing, without an error."""
        if not self._closed:
            self.note_close(1000)
            self._closed = True
            with contextlib.suppress(OSError):
                await self.socket.close(1000)

    def note_disconnect(self, code: object) -> bool:
        """Note the end of the connection; return whether the platform has sent a close frame."""
        is_own = self._closed
        self.note_close(code)
        self._closed = True
        return not is_own and code not in _LOST


def handshake_of(socket: RawWebSocket) -> Handshake:
    """Return what of the handshake shows the dialect."""
    return Handshake(
        headers={name.lower(): value for name, value in socket.headers.items()},
        query=dict(socket.query_params),
        subprotocols=tuple(socket.scope["subprotocols"]),
    )
