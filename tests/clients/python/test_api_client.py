"""The HTTP requests of the client."""

import http.server
import threading

import pytest

from sercuescribe_client.api_client import ApiClient, error_from_response
from sercuescribe_client.credentials import Credentials
from tests.clients.python.cli.command import run


def test_another_server_than_the_service_is_reported() -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), OtherServerHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        done = run("sessions", "list", "--server", f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()
    assert done.returncode == 1
    assert done.stderr.endswith("is not a SercueScribe service; check the address\n")


class OtherServerHandler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>")

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("address", "url", "ws_url"),
    [
        ("rec.example:8000", "http://rec.example:8000", "ws://rec.example:8000/api/ws/audio"),
        ("https://rec.example/", "https://rec.example", "wss://rec.example/api/ws/audio"),
        ("wss://rec.example/x", "https://rec.example/x", "wss://rec.example/x/api/ws/audio"),
    ],
)
async def test_an_address_may_be_written_in_several_ways(
    address: str, url: str, ws_url: str
) -> None:
    api = ApiClient(address, Credentials(None), timeout_seconds=30)
    assert (api.url, api.ws_url) == (url, ws_url)
    await api.close()


@pytest.mark.parametrize("address", ["ftp://x", "http://", "http://:80:90"])
def test_another_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="is not the address of a service"):
        ApiClient(address, Credentials(None), timeout_seconds=30)


@pytest.mark.parametrize(
    ("status", "body", "code", "is_final"),
    [
        (404, b'{"error": "Session not found", "code": "session_not_found"}', "session_not_found",
         True),
        (503, b'{"error": "Later", "code": "node_unreachable"}', "node_unreachable", False),
        (502, b"<html>Bad gateway", "http_502", False),
        (500, b"[]", "http_500", False),
    ],
)  # fmt: skip
def test_an_error_answer_has_a_code_and_says_whether_it_is_final(
    status: int, body: bytes, code: str, is_final: bool
) -> None:
    error = error_from_response(status, {}, body)
    assert (error.code, error.is_final) == (code, is_final)


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7), ("Wed, 21 Oct 2026 07:28:00 GMT", 0), (None, 0)]
)
def test_the_delay_of_an_error_is_that_of_retry_after(header: str | None, seconds: float) -> None:
    headers = {} if header is None else {"retry-after": header}
    assert (error_from_response(429, headers, b"").retry_after_seconds or 0) == seconds
