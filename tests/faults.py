"""A proxy in front of an S3 engine that injects faults.

The bytes of a request pass unchanged, including its signed ``Host``. The proxy runs in threads, so
that a test may block while a service sends requests through it.
"""

import contextlib
import enum
import http.client
import itertools
import socket
import struct
import threading
from collections.abc import Iterator
from typing import BinaryIO
from urllib.parse import urlsplit

from tests.ports import reserve_ports
from tests.s3_requests import Match, Request


class Kind(enum.Enum):
    """The fault that one request meets."""

    DROPPED = "dropped"  # the connection is reset, and nothing reaches the engine
    STALLED = "stalled"  # forwarded only after the fault ends
    CUT = "cut"  # the connection is reset in the middle of the body, on both sides
    ERROR = "error"  # 500
    SLOW_DOWN = "slow down"  # 503
    EXPIRED = "expired"  # 400, as AWS answers when temporary credentials have expired
    NOT_DELETED = "not deleted"  # 200 with an error for a key to be deleted, which may pass
    DELETION_REFUSED = "deletion refused"  # the same with an error that does not pass
    UNCHECKED = "unchecked"  # 400, as stores answer that want a checksum
    CONFLICT = "conflict"  # 409, the answer to one of two conditional writes at the same time
    LOST_ANSWER = "lost answer"  # the engine executes it, and the answer is lost


_ANSWERS = {
    Kind.ERROR: (500, "InternalError", "We encountered an internal error."),
    Kind.SLOW_DOWN: (503, "SlowDown", "Please reduce your request rate."),
    Kind.EXPIRED: (400, "ExpiredToken", "The provided token has expired."),
    Kind.UNCHECKED: (400, "InvalidRequest", "Content-MD5 OR x-amz-checksum- is required."),
    Kind.CONFLICT: (409, "ConditionalRequestConflict", "Two conditional writes met."),
}


_DELETE_ERRORS = {Kind.NOT_DELETED: "SlowDown", Kind.DELETION_REFUSED: "AccessDenied"}


class Fault:
    """A fault for at most ``times`` matching requests, until :meth:`end`."""

    def __init__(self, kind: Kind, match: Match, times: int | None, cut_after: int) -> None:
        self.kind = kind
        self.cut_after = cut_after
        self.hits: list[Request] = []
        self.ended = threading.Event()
        self._match = match
        self._times = times
        self._changed = threading.Condition()

    def applies_to(self, request: Request) -> bool:
        with self._changed:
            if self.ended.is_set() or len(self.hits) == self._times or not self._match(request):
                return False
            self.hits.append(request)
            self._changed.notify_all()
            return True

    def wait(self, hits: int = 1, timeout: float = 60) -> None:
        """Return when the fault has applied to ``hits`` requests."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.hits) >= hits, timeout), (
                "the fault did not apply"
            )

    def end(self) -> None:
        self.ended.set()


class FaultyStore:
    """A proxy with faults for the engine at ``engine_url``."""

    def __init__(self, engine_url: str) -> None:
        engine = urlsplit(engine_url)
        self._engine = (engine.hostname, engine.port)
        self._counter = itertools.count(1)
        self._faults: list[Fault] = []
        self._dies_at: int | None = None
        self._clients: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._is_up, self._closed = threading.Event(), False
        self._lock = threading.Lock()
        self._address = ("127.0.0.1", reserve_ports(1)[0])
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(self._address)
        self.url = f"http://127.0.0.1:{self._address[1]}"
        self.requests: list[Request] = []
        self.revive()
        self._accept_thread = threading.Thread(target=self._accept)
        self._accept_thread.start()

    def fail(
        self,
        kind: Kind,
        match: Match = lambda _: True,
        *,
        times: int | None = None,
        cut_after: int = 0,
    ) -> Fault:
        """Start a fault; of several faults that match a request, the first one applies."""
        fault = Fault(kind, match, times, cut_after)
        self._faults.append(fault)
        return fault

    def die(self) -> None:
        """Refuse new connections, and reset open ones."""
        with self._lock:
            if not self._is_up.is_set():
                return
            self._is_up.clear()
            self._listener.shutdown(socket.SHUT_RDWR)  # no longer listening, but still bound
            for client in self._clients:
                _reset(client)

    def die_at(self, number: int) -> None:
        """Die when request ``number`` arrives."""
        self._dies_at = number

    def revive(self) -> None:
        """Accept connections again; faults stay active."""
        self._dies_at = None
        if not self._is_up.is_set():
            self._listener.listen(128)
            self._is_up.set()

    def close(self) -> None:
        self._closed = True
        for fault in self._faults:
            fault.end()
        self.die()
        self._is_up.set()
        self._accept_thread.join()
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while self._is_up.wait() and not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                continue  # dead until `revive`
            with self._lock:
                self._clients.add(client)
                if not self._is_up.is_set():
                    _reset(client)
            self._threads = [each for each in self._threads if each.is_alive()]
            thread = threading.Thread(target=self._serve, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as stream:
            # A client or engine that disconnects ends only this connection.
            with contextlib.suppress(OSError, http.client.HTTPException):
                while (read := self._read_head(stream)) is not None:
                    if not self._exchange(client, stream, *read):
                        _reset(client)
                        break
            with self._lock:
                self._clients.discard(client)

    def _read_head(self, stream: BinaryIO) -> tuple[Request, bytes, int, bool] | None:
        lines = [stream.readline()]
        while lines[-1] not in {b"\r\n", b""}:
            lines.append(stream.readline())
        if not lines[-1]:
            return None
        method, target, _ = lines[0].decode().split(" ")
        url = urlsplit(target)
        fields = (line.decode().strip().split(":", 1) for line in lines[1:-1])
        headers = {name.lower(): value.strip() for name, value in fields}
        with self._lock:
            request = Request(next(self._counter), method, url.path, url.query, headers)
            self.requests.append(request)
        length = int(headers.get("content-length", "0"))
        return request, b"".join(lines), length, "100-continue" in headers.get("expect", "")

    def _exchange(
        self,
        client: socket.socket,
        stream: BinaryIO,
        request: Request,
        head: bytes,
        length: int,
        expects_continue: bool,
    ) -> bool:
        """Handle one request and its answer; return False if the connection must be reset."""
        if self._dies_at is not None and request.number >= self._dies_at:
            self.die()
            return False
        fault = next((each for each in self._faults.copy() if each.applies_to(request)), None)
        kind = fault.kind if fault else None
        if kind is Kind.DROPPED:
            return False
        if expects_continue:
            client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if fault and kind is Kind.CUT:
            with socket.create_connection(self._engine, timeout=30) as engine:
                engine.sendall(head + stream.read(min(fault.cut_after, length)))
                _reset(engine)
            return False
        body = stream.read(length)
        if fault and kind is Kind.STALLED:
            fault.ended.wait()
        if kind in _ANSWERS:
            client.sendall(_error(*_ANSWERS[kind], has_body=request.method != "HEAD"))
            return True
        if kind in _DELETE_ERRORS:
            client.sendall(_delete_result(_DELETE_ERRORS[kind]))
            return True
        answer = self._forward(request, head + body)
        if kind is Kind.LOST_ANSWER:
            return False
        client.sendall(answer)
        return True

    def _forward(self, request: Request, message: bytes) -> bytes:
        """Return the engine's answer, with a content length instead of chunks."""
        with socket.create_connection(self._engine, timeout=30) as engine:
            engine.sendall(message)
            answer = http.client.HTTPResponse(engine, method=request.method)
            answer.begin()
            body = answer.read()
            left_out = {"transfer-encoding", "connection", "content-length"}
            headers = [(k, v) for k, v in answer.getheaders() if k.lower() not in left_out]
            length = answer.getheader("content-length") if request.method == "HEAD" else None
            headers.append(("Content-Length", length or str(len(body))))
            lines = [f"HTTP/1.1 {answer.status} {answer.reason}"]
            lines += [f"{name}: {value}" for name, value in headers]
            return "\r\n".join([*lines, "\r\n"]).encode() + body


@contextlib.contextmanager
def faulty_store(engine_url: str) -> Iterator[FaultyStore]:
    store = FaultyStore(engine_url)
    try:
        yield store
    finally:
        store.close()


def _error(status: int, code: str, message: str, *, has_body: bool) -> bytes:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return (
        f"HTTP/1.1 {status} {code}\r\nContent-Type: application/xml\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body if has_body else ''}"
    ).encode()


def _delete_result(code: str) -> bytes:
    """Return an answer that says of one key that it was not deleted."""
    error = f"<Error><Key>key</Key><Code>{code}</Code><Message>Not now.</Message></Error>"
    body = f"<?xml version='1.0'?><DeleteResult>{error}</DeleteResult>"
    return (
        "HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def _reset(connection: socket.socket) -> None:
    """Reset a connection, and wake a thread that reads from it."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
