"""Clients that overload the service with messages that the protocol allows.

Their calls block, so each needs a thread or a process of its own:
``python -m tests.bad_clients NeverReads 8000`` runs until it is killed.
"""

import contextlib
import itertools
import math
import selectors
import socket
import struct
import sys
import threading

from websockets.frames import Frame, Opcode

HANDSHAKE = (
    b"GET /api/ws/audio HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    b"Sec-WebSocket-Version: 13\r\n\r\n"
)
_SMALL_RECEIVE_BUFFER_BYTES = 4096
_WRITE_TIMEOUT_SECONDS = 5.0  # longer than a write waits on a busy machine
_RST = struct.pack("ii", 1, 0)


class BadClient:
    """A client that creates load; it sets ``has_sent_enough`` after a fixed amount."""

    def __init__(self) -> None:
        self.sent_bytes = 0
        self.has_sent_enough = threading.Event()

    def run(self, port: int, stop: threading.Event) -> None:
        """Create load until ``stop`` is set."""
        try:
            self._generate_load(port, stop)
        finally:
            self.has_sent_enough.set()

    def _generate_load(self, port: int, stop: threading.Event) -> None:
        raise NotImplementedError


class NeverReads(BadClient):
    """Connections that send chunks of a kilobyte and never read an answer."""

    _frame = Frame(Opcode.BINARY, b"\1" * 1024).serialize(mask=True)

    def __init__(self, connections: int = 20, target_bytes: float = math.inf) -> None:
        super().__init__()
        self._connections = connections
        self._target_bytes = target_bytes

    def _generate_load(self, port: int, stop: threading.Event) -> None:
        with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
            for _ in range(self._connections):
                connection = stack.enter_context(self._connect(port))
                selector.register(connection, selectors.EVENT_WRITE, data=[self._frame])
            while not stop.is_set() and (ready := selector.select(_WRITE_TIMEOUT_SECONDS)):
                for key, _ in ready:
                    if not self._send(key):
                        selector.unregister(key.fileobj)
                if self.sent_bytes >= self._target_bytes:
                    self.has_sent_enough.set()
            self.has_sent_enough.set()
            stop.wait()

    def _connect(self, port: int) -> socket.socket:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_RECEIVE_BUFFER_BYTES)
        connection.connect(("127.0.0.1", port))
        connection.sendall(HANDSHAKE)
        connection.recv(1)  # the answer has started, so frames are accepted
        connection.setblocking(False)
        return connection

    def _send(self, key: selectors.SelectorKey) -> bool:
        """Send as much of the current frame as the socket takes; return False if it is closed."""
        assert isinstance(key.fileobj, socket.socket)
        rest = key.data
        try:
            sent_bytes = key.fileobj.send(rest[0])
        except ConnectionError:  # closed, because no ping was answered
            return False
        self.sent_bytes += sent_bytes
        rest[0] = rest[0][sent_bytes:] or self._frame
        return True


class LargestChunks(BadClient):
    """Sends chunks of 10 MB without waiting for an answer to any."""

    _target_bytes = 500_000_000
    _frame = Frame(Opcode.BINARY, b"\1" * 10_000_000).serialize(mask=True)

    def _generate_load(self, port: int, stop: threading.Event) -> None:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(HANDSHAKE)
            connection.recv(1)
            while not stop.is_set():
                connection.sendall(self._frame)
                self.sent_bytes += len(self._frame)
                with contextlib.suppress(BlockingIOError):
                    connection.recv(65536, socket.MSG_DONTWAIT)
                if self.sent_bytes >= self._target_bytes:
                    self.has_sent_enough.set()


class ReconnectLoop(BadClient):
    """Connects in a loop and disconnects at different points, most often with a reset."""

    _target_connections = 400
    _frame = Frame(Opcode.BINARY, b"\1" * 50_000).serialize(mask=True)

    def _generate_load(self, port: int, stop: threading.Event) -> None:
        payloads = (b"", HANDSHAKE[:40], HANDSHAKE, self._frame, self._frame[:20_000])
        for number, payload in enumerate(itertools.cycle(payloads)):
            if stop.is_set():
                return
            with socket.create_connection(("127.0.0.1", port)) as connection:
                if number % 3:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
                with contextlib.suppress(ConnectionError):  # refused at the session limit
                    if payload is self._frame or len(payload) == 20_000:
                        connection.sendall(HANDSHAKE)
                        connection.recv(1)
                    connection.sendall(payload)
                    self.sent_bytes += len(payload)
            if number >= self._target_connections:
                self.has_sent_enough.set()


BAD_CLIENTS: tuple[type[BadClient], ...] = (NeverReads, LargestChunks, ReconnectLoop)

if __name__ == "__main__":
    _name, _port = sys.argv[1:]
    (_client_type,) = (each for each in BAD_CLIENTS if each.__name__ == _name)
    _client_type().run(int(_port), threading.Event())
