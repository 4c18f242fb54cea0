"""A receiver of webhooks on loopback, which checks signatures with the library of the standard."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from standardwebhooks.webhooks import Webhook

from api.events.signature import new_secret
from tests.eventually import eventually
from tests.ports import reserve_ports

SECRET = new_secret()


class Received(NamedTuple):
    """One request. ``status`` is what it was answered with."""

    id: str
    headers: dict[str, str]
    body: dict[str, Any]
    status: int

    @property
    def type(self) -> str:
        return str(self.body["type"])

    @property
    def session_id(self) -> str:
        return str(self.body["data"]["session_id"])


class WebhookReceiver:
    """Answers each request with ``status``; ``hold`` makes requests wait until it is set."""

    def __init__(self, secret: str = SECRET) -> None:
        self.secret = secret
        self.status = 204
        self.answer_headers: dict[str, str] = {}
        self.answer_body = b""
        self.go_on = threading.Event()
        self.go_on.set()
        self.requests: list[Received] = []
        (self.port,) = reserve_ports(1)
        self.url = f"http://127.0.0.1:{self.port}/events?token=hidden"
        self._server: ThreadingHTTPServer | None = None

    @property
    def accepted(self) -> list[Received]:
        """Return what was answered with 2xx."""
        return [each for each in self.requests if 200 <= each.status < 300]

    def ids(self) -> set[str]:
        return {each.id for each in self.accepted}

    def types(self) -> list[str]:
        return [each.type for each in self.accepted]

    async def wait_for(self, *ids: str) -> None:
        """Return when the events were accepted."""
        await eventually(self.ids, set(ids).issubset, awaiting=f"{ids}")

    async def wait_for_requests(self, count: int) -> list[Received]:
        return await eventually(
            lambda: self.requests, lambda found: len(found) >= count, awaiting=f"{count} requests"
        )

    def start(self) -> "WebhookReceiver":
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.go_on.wait(30)
                receiver.receive(dict(self.headers), data)
                with contextlib.suppress(OSError):
                    self.send_response(receiver.status)
                    for name, value in receiver.answer_headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(receiver.answer_body)))
                    self.end_headers()
                    self.wfile.write(receiver.answer_body)

            def log_message(self, *args: object) -> None:
                pass

        server = self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def receive(self, headers: dict[str, str], data: bytes) -> None:
        headers = {name.lower(): value for name, value in headers.items()}
        body = Webhook(self.secret).verify(data, headers)
        self.requests.append(Received(headers["webhook-id"], headers, body, self.status))

    def stop(self) -> None:
        self.go_on.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@contextlib.contextmanager
def webhook_receiver() -> Iterator[WebhookReceiver]:
    receiver = WebhookReceiver().start()
    try:
        yield receiver
    finally:
        receiver.stop()
