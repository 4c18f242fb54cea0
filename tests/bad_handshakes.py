"""Connections that never become anything: requests that stall, and what is no request at all."""

import contextlib
import itertools
import random
import resource
import selectors
import socket
import threading
import time
from collections.abc import Iterable

from tests.bad_clients import HANDSHAKE, BadClient

_HOST = b"Host: 127.0.0.1\r\n"
_POST = b"POST /api/audio/sessions HTTP/1.1\r\n" + _HOST
_RANDOM = random.Random(0).randbytes(2000)
_CLIENT_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + _RANDOM[:506]

# What a connection says before it says no more. One that ends amidst a header says a byte of
# it every now and then.
_STALLS = (
    b"",
    HANDSHAKE[:9],
    HANDSHAKE[:-2] + b"X-Slow: ",
    HANDSHAKE[:-2] + b"Content-Length: 1000\r\n\r\n",
    _POST + b"Content-Length: 100\r\n\r\n{",
    _CLIENT_HELLO[:100],
)
_GARBAGE = (
    _RANDOM,
    _CLIENT_HELLO,
    b"GET /" + b"a" * 100_000,
    b"GET /health HTTP/1.1\r\n" + _HOST + b"X: " + b"a" * 100_000,
    b"GET /hea\0lth HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"GET /health HTTP/1.1\r\n" + _HOST + b"X: a\0b\r\n\r\n",
    b"GET /api/audio/sessions?status=\xff%ff HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
    _POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello",
    _POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 100_000,
    (_POST + b"Content-Length: 0\r\n\r\n") * 1000,
    HANDSHAKE.replace(b"Version: 13", b"Version: 8"),
    HANDSHAKE.replace(b"AAAA==", b""),
    HANDSHAKE.replace(b"GET", b"POST"),
    HANDSHAKE[:-2] + b"Transfer-Encoding: chunked\r\n\r\n",
    HANDSHAKE[:-2] + b"A: b\r\n" * 200 + b"\r\n",
    HANDSHAKE[:-2] + b"A: " + b"b" * 20_000 + b"\r\n\r\n",
    HANDSHAKE + _RANDOM,
    HANDSHAKE + b"\x81\x81\0\0\0\0\xff",  # text that is not UTF-8
)
_DRIP_SECONDS = 0.5


class Handshakes(BadClient):
    """Opens connections, says something on each, and waits until the service has closed all."""

    def __init__(self, connections: int, says: Iterable[bytes]) -> None:
        super().__init__()
        self._connections = connections
        self._says = tuple(says)
        self.closed = 0  # by the service

    def _misbehave(self, port: int, over: threading.Event) -> None:
        with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
            for number, said in zip(range(self._connections), itertools.cycle(self._says)):
                connection = stack.enter_context(self._connect(port, number))
                selector.register(connection, selectors.EVENT_READ, data=said.endswith(b"Slow: "))
                with contextlib.suppress(ConnectionError, BlockingIOError):
                    self.sent_bytes += connection.send(said)
                if number % 100 == 0:
                    self._look(selector, 0)
            while selector.get_map() and not over.is_set():
                self._look(selector, _DRIP_SECONDS)
                self._drip(selector)
            assert self.closed == self._connections, f"{self.closed} were closed"

    def _connect(self, port: int, number: int) -> socket.socket:
        """From one of many addresses, as if from many machines."""
        connection = socket.create_connection(
            ("127.0.0.1", port), timeout=30, source_address=(f"127.0.1.{1 + number % 200}", 0)
        )
        connection.setblocking(False)
        return connection

    def _look(self, selector: selectors.BaseSelector, seconds: float) -> None:
        until = time.monotonic() + seconds
        while ready := selector.select(max(0, until - time.monotonic())):
            for key, _ in ready:
                assert isinstance(key.fileobj, socket.socket)
                try:
                    is_open = bool(key.fileobj.recv(65536))
                except ConnectionError:
                    is_open = False
                if not is_open:
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
                    self.closed += 1

    def _drip(self, selector: selectors.BaseSelector) -> None:
        for key in selector.get_map().values():
            assert isinstance(key.fileobj, socket.socket)
            if key.data:
                with contextlib.suppress(ConnectionError):
                    self.sent_bytes += key.fileobj.send(b"a")


class StalledHandshakes(Handshakes):
    """Ten thousand, none of which ever ends."""

    def __init__(self) -> None:
        super().__init__(10_000, _STALLS)

    def _misbehave(self, port: int, over: threading.Event) -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        super()._misbehave(port, over)


class Garbage(Handshakes):
    """A thousand connections that say what is no request, or none that can be granted."""

    def __init__(self) -> None:
        super().__init__(1000, _GARBAGE)
