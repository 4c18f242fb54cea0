"""Clients that a service has to bear: what they do is allowed, or happens, and is too much.

They block and count nothing but what they sent, so each takes a thread or a process of
its own: ``python -m tests.bad_clients NeverReads 8000`` goes on until it is ended.
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
_STUCK_SECONDS = 5.0  # longer than a busy machine lets anybody wait
_RST = struct.pack("ii", 1, 0)


class BadClient:
    """``did_its_worst`` is set when there is no need to wait for more of it."""

    def __init__(self) -> None:
        self.sent_bytes = 0
        self.did_its_worst = threading.Event()

    def run(self, port: int, over: threading.Event) -> None:
        """Go on until it is ``over``."""
        try:
            self._misbehave(port, over)
        finally:
            self.did_its_worst.set()

    def _misbehave(self, port: int, over: threading.Event) -> None:
        raise NotImplementedError


class NeverReads(BadClient):
    """Connections that send chunks of a kilobyte, and read not one answer."""

    _frame = Frame(Opcode.BINARY, b"\1" * 1024).serialize(mask=True)

    def __init__(self, connections: int = 20, enough_bytes: float = math.inf) -> None:
        super().__init__()
        self._connections = connections
        self._enough_bytes = enough_bytes

    def _misbehave(self, port: int, over: threading.Event) -> None:
        with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
            for _ in range(self._connections):
                connection = stack.enter_context(self._connect(port))
                selector.register(connection, selectors.EVENT_WRITE, data=[self._frame])
            while not over.is_set() and (ready := selector.select(_STUCK_SECONDS)):
                for key, _ in ready:
                    if not self._send(key):
                        selector.unregister(key.fileobj)
                if self.sent_bytes >= self._enough_bytes:
                    self.did_its_worst.set()
            self.did_its_worst.set()
            over.wait()

    def _connect(self, port: int) -> socket.socket:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_RECEIVE_BUFFER_BYTES)
        connection.connect(("127.0.0.1", port))
        connection.sendall(HANDSHAKE)
        connection.recv(1)  # the answer begins: from here on it takes frames
        connection.setblocking(False)
        return connection

    def _send(self, key: selectors.SelectorKey) -> bool:
        """What the socket takes of a frame; the rest is for the next time."""
        assert isinstance(key.fileobj, socket.socket)
        rest = key.data
        try:
            sent_bytes = key.fileobj.send(rest[0])
        except ConnectionError:  # dropped, for answering no ping
            return False
        self.sent_bytes += sent_bytes
        rest[0] = rest[0][sent_bytes:] or self._frame
        return True


class LargestChunks(BadClient):
    """Sends chunks of 10 MB without waiting for an answer to any."""

    _enough_bytes = 500_000_000
    _frame = Frame(Opcode.BINARY, b"\1" * 10_000_000).serialize(mask=True)

    def _misbehave(self, port: int, over: threading.Event) -> None:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(HANDSHAKE)
            connection.recv(1)
            while not over.is_set():
                connection.sendall(self._frame)
                self.sent_bytes += len(self._frame)
                with contextlib.suppress(BlockingIOError):
                    connection.recv(65536, socket.MSG_DONTWAIT)
                if self.sent_bytes >= self._enough_bytes:
                    self.did_its_worst.set()


class ComesAndGoes(BadClient):
    """Connects and is gone, at whatever point of a conversation, most often with a reset."""

    _enough = 400
    _frame = Frame(Opcode.BINARY, b"\1" * 50_000).serialize(mask=True)

    def _misbehave(self, port: int, over: threading.Event) -> None:
        talks = (b"", HANDSHAKE[:40], HANDSHAKE, self._frame, self._frame[:20_000])
        for number, talk in enumerate(itertools.cycle(talks)):
            if over.is_set():
                return
            with socket.create_connection(("127.0.0.1", port)) as connection:
                if number % 3:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
                with contextlib.suppress(ConnectionError):  # refused: there are enough sessions
                    if talk is self._frame or len(talk) == 20_000:
                        connection.sendall(HANDSHAKE)
                        connection.recv(1)
                    connection.sendall(talk)
                    self.sent_bytes += len(talk)
            if number >= self._enough:
                self.did_its_worst.set()


BAD_CLIENTS: tuple[type[BadClient], ...] = (NeverReads, LargestChunks, ComesAndGoes)

if __name__ == "__main__":
    _name, _port = sys.argv[1:]
    (_bad,) = (bad for bad in BAD_CLIENTS if bad.__name__ == _name)
    _bad().run(int(_port), threading.Event())
