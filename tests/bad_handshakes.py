"""Connections without a valid handshake: requests that stall, and invalid requests."""

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

# The bytes of a connection before it stalls. The one that ends inside a header continues with a
# byte from time to time.
_STALLED_REQUESTS = (
    b"",
    HANDSHAKE[:9],
    HANDSHAKE[:-2] + b"X-Slow: ",
    HANDSHAKE[:-2] + b"Content-Length: 1000\r\n\r\n",
    _POST + b"Content-Length: 100\r\n\r\n{",
    _CLIENT_HELLO[:100],
)
_INVALID_REQUESTS = (
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
_SLOW_BYTE_SECONDS = 0.5


class HandshakeFlood(BadClient):
    """Open connections, send a payload on each, and wait until the service has closed all."""

    def __init__(self, connections: int, payloads: Iterable[bytes]) -> None:
        super().__init__()
        self._connections = connections
        self._payloads = tuple(payloads)
        self.closed = 0  # by the service

    def _generate_load(self, port: int, stop: threading.Event) -> None:
        with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
            for number, payload in zip(range(self._connections), itertools.cycle(self._payloads)):
                connection = stack.enter_context(self._connect(port, number))
                is_slow = payload.endswith(b"Slow: ")
                selector.register(connection, selectors.EVENT_READ, data=is_slow)
                with contextlib.suppress(ConnectionError, BlockingIOError):
                    self.sent_bytes += connection.send(payload)
                if number % 100 == 0:
                    self._close_ended(selector, 0)
            while selector.get_map() and not stop.is_set():
                self._close_ended(selector, _SLOW_BYTE_SECONDS)
                self._send_slow_bytes(selector)
            assert self.closed == self._connections, f"{self.closed} were closed"

    def _connect(self, port: int, number: int) -> socket.socket:
        """Connect from one of many addresses, as if from many machines."""
        connection = socket.create_connection(
            ("127.0.0.1", port), timeout=30, source_address=(f"127.0.1.{1 + number % 200}", 0)
        )
        connection.setblocking(False)
        return connection

    def _close_ended(self, selector: selectors.BaseSelector, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while ready := selector.select(max(0, deadline - time.monotonic())):
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

    def _send_slow_bytes(self, selector: selectors.BaseSelector) -> None:
        for key in selector.get_map().values():
            assert isinstance(key.fileobj, socket.socket)
            if key.data:
                with contextlib.suppress(ConnectionError):
                    self.sent_bytes += key.fileobj.send(b"a")


class StalledHandshakes(HandshakeFlood):
    """Ten thousand requests that never end."""

    def __init__(self) -> None:
        super().__init__(10_000, _STALLED_REQUESTS)

    def _generate_load(self, port: int, stop: threading.Event) -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        super()._generate_load(port, stop)


class InvalidRequests(HandshakeFlood):
    """A thousand connections with bytes that are not a request, or with a refused request."""

    def __init__(self) -> None:
        super().__init__(1000, _INVALID_REQUESTS)
