"""HEAD works wherever GET works, and a WebSocket to an unknown path gets 404."""

import re

import pytest
import requests
from litestar.routes import HTTPRoute
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from api.app import create_app
from api.settings import Settings
from tests.audio import pcm
from tests.service import Service

# The time, a nonce, and the framing of a body, which a response to HEAD has not (RFC 9112, 6.1).
DIFFERING = {"date", "content-security-policy", "transfer-encoding", "x-request-id"}


def paths() -> list[str]:
    """Return the path of every endpoint with GET, as the router has them."""
    routes = [route for route in create_app(Settings()).routes if isinstance(route, HTTPRoute)]
    return sorted({route.path_format for route in routes if "GET" in route.methods})


@pytest.mark.parametrize("path", paths())
async def test_head_gets_the_status_and_headers_of_get_without_a_body(
    service: Service, path: str
) -> None:
    session_id = await service.record(pcm(1000))
    path = path.replace("{session_id}", session_id)
    path = re.sub("{.*}", {"/vendor": "swagger-ui.css"}.get(path[:7], "sources.js"), path)
    got = service.get(path, allow_redirects=False)
    headed = requests.head(service.url + path, timeout=30)
    assert (headed.status_code, headed.content) == (got.status_code, b"")
    differing = set(got.headers.items()) ^ set(headed.headers.items())
    changing = {"content-length"} if path == "/metrics" else set()  # each request is counted
    assert {name for name, _ in differing} <= DIFFERING | changing


def test_head_of_an_unknown_path_gets_404_and_of_a_path_without_get_405(service: Service) -> None:
    assert requests.head(f"{service.url}/nope", timeout=30).status_code == 404
    assert requests.head(f"{service.url}/api/audio/sessions/x/close", timeout=30).status_code == 405


async def test_the_connection_is_reused_after_head(service: Service) -> None:
    session_id = await service.record(pcm(1000))
    with requests.Session() as client:
        for query in ("", "?format=flac", "?format=wav"):
            url = f"{service.url}/api/audio/sessions/{session_id}/audio{query}"
            assert client.head(url, timeout=30).content == b""
            assert client.get(url, timeout=30).content != b""


@pytest.mark.parametrize("path", ["/nope", "/api/ws", "/api/ws/audio/x/y/z", "/health", "/"])
async def test_a_websocket_to_an_unknown_path_gets_404(service: Service, path: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"ws://127.0.0.1:{service.port}{path}"):
            pass
    assert refused.value.response.status_code == 404
    assert b'"code":"not_found"' in (refused.value.response.body or b"")
