"""Checks of `Origin` and `Host`, and the security headers, over real sockets."""

import json
import socket
from collections.abc import Callable, Iterator

import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from api.access.api_keys import key_line, new_key
from tests.service import Service

SESSIONS = "/api/audio/sessions"


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Service]]:
    """A service for each way to run without authentication."""
    allowed = {
        "allowed_hosts": "page.example",
        "allowed_origins": "https://page.example, https://other.example",
    }
    started = {
        mode: Service(tmp_path_factory.mktemp("recordings"), auth_mode=mode, **allowed).start()
        for mode in ("", "none")
    }
    yield started
    for service in started.values():
        assert service.stop() == 0


def handshake(service: Service, **headers: str) -> tuple[int, str]:
    """Return the status of the answer, and the error code of its body or an empty text."""
    try:
        with connect(service.ws_url, additional_headers=headers, open_timeout=30) as connection:
            connection.recv()
            return 101, ""
    except InvalidStatus as refusal:
        return refusal.response.status_code, json.loads(refusal.response.body or b"")["code"]


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:3000", 101),
        ("http://127.0.0.1:8080", 101),
        ("https://page.example", 101),
        ("https://page.example:444", 403),
        ("http://page.example", 403),
        ("https://evil.example", 403),
        ("https://page.example.evil.example", 403),
        ("http://localhost.evil.example", 403),
        ("null", 403),
        ("", 403),
        ("nonsense", 403),
    ],
)
def test_only_pages_of_loopback_and_listed_origins_may_open_a_websocket(
    services: dict[str, Service], origin: str, status: int
) -> None:
    code = "" if status == 101 else "origin_not_allowed"
    assert handshake(services[""], Origin=origin) == (status, code)


def test_a_page_of_the_services_own_host_may_connect_without_allowed_origins(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(auth_mode="none", allowed_hosts="rec.example")
    ours = {"Host": "rec.example", "Origin": "http://rec.example"}
    theirs = {"Host": "rec.example", "Origin": "http://localhost"}
    assert raw_handshake(service, ours).startswith(b"HTTP/1.1 101")
    assert raw_handshake(service, theirs).startswith(b"HTTP/1.1 403")


def test_a_star_allows_every_origin(start_service: Callable[..., Service]) -> None:
    service = start_service(allowed_origins="*")
    assert handshake(service, Origin="https://anything.example") == (101, "")


@pytest.mark.parametrize("mode", ["", "none"])
@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "", "127.0.0.1.evil.example"])
def test_a_service_without_authentication_refuses_foreign_host_names(
    services: dict[str, Service], mode: str, host: str
) -> None:
    service = services[mode]
    answer = service.get(SESSIONS, headers={"Host": host})
    assert (answer.status_code, answer.json()["code"]) == (421, "host_not_allowed")
    assert f"Host {host!r}" in answer.json()["error"]
    assert "ALLOWED_HOSTS" in answer.json()["error"]
    assert service.post(SESSIONS, headers={"Host": host}).status_code == 421
    for path in ("/health", "/health/ready"):
        assert service.get(path, headers={"Host": host}).status_code == 200
    headers = {"Host": host, "Origin": f"http://{host}"}
    assert raw_handshake(service, headers).startswith(b"HTTP/1.1 421")


def raw_handshake(service: Service, headers: dict[str, str]) -> bytes:
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        connection.sendall(
            (
                "GET /api/ws/audio HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
                f"{''.join(lines)}\r\n"
            ).encode()
        )
        return connection.recv(4096)


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1:1", "[::1]:8000", "192.0.2.7", "recorder:80", "Page.Example"]
)
def test_a_service_without_authentication_answers_to_local_and_listed_hosts(
    services: dict[str, Service], host: str
) -> None:
    for service in services.values():
        assert service.get(SESSIONS, headers={"Host": host}).status_code == 200


def test_a_service_with_authentication_answers_to_every_host(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(auth_mode="api_key", api_keys=key_line(new_key(), "alice", ["read"]))
    assert service.get(SESSIONS, headers={"Host": "any.example"}).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 201),
        ({"Sec-Fetch-Site": "none"}, 201),
        ({"Sec-Fetch-Site": "same-origin"}, 201),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:3000", "Sec-Fetch-Site": "cross-site"}, 201),
        ({"Origin": "https://page.example", "Sec-Fetch-Site": "cross-site"}, 201),
    ],
)
def test_pages_of_other_sites_cannot_send_requests_that_change_something(
    services: dict[str, Service], headers: dict[str, str], status: int
) -> None:
    for service in services.values():
        created = service.post(SESSIONS, headers=headers)
        assert created.status_code == status
        if status == 403:
            assert created.json()["code"] == "origin_not_allowed"
            assert service.delete(f"{SESSIONS}/x", headers=headers).status_code == 403
            assert service.get(SESSIONS, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "origin", ["capacitor://localhost", "tauri://localhost", "https://a.b.page.example"]
)
def test_apps_and_subdomains_that_are_listed_may_use_sockets_fetch_and_cors(
    start_service: Callable[..., Service], origin: str
) -> None:
    listed = "Capacitor://localhost, TAURI://LocalHost, https://*.Page.example"
    service = start_service(allowed_origins=listed)
    headers = {"Origin": origin}
    assert handshake(service, Origin=origin) == (101, "")
    assert handshake(service, Origin="ionic://localhost")[0] == 403
    assert service.post(SESSIONS, headers=headers).status_code == 201
    read = service.get(SESSIONS, headers=headers)
    assert read.headers["Access-Control-Allow-Origin"] == origin
    asking = headers | {"Access-Control-Request-Method": "POST"}
    allowed = requests.options(service.url + SESSIONS, headers=asking, timeout=30)
    assert allowed.headers["Access-Control-Allow-Origin"] == origin


@pytest.mark.parametrize("path", ["/health", SESSIONS, f"{SESSIONS}/x", "/docs", "/redoc"])
def test_every_answer_has_the_security_headers(service: Service, path: str) -> None:
    headers = service.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    policy = headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy or path in {"/docs", "/redoc"}


def test_only_pages_of_listed_origins_may_read_answers(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(allowed_origins="https://page.example")
    listed = service.get("/health", headers={"Origin": "https://page.example"})
    assert listed.headers["Access-Control-Allow-Origin"] == "https://page.example"
    other = service.get("/health", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in other.headers
