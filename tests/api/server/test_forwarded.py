"""A trusted proxy names the client and the scheme; other peers do not."""

from typing import Any

import pytest

from api.access.proxies import TrustedProxies
from api.server.forwarded import ForwardedHeaders
from api.workers.sockets import FROM_WORKER


async def forwarded(
    peer: str | None, kind: str, *headers: tuple[bytes, bytes], state: dict[str, Any] | None = None
) -> tuple[str | None, str]:
    """Return the address of the client and the scheme that the application sees."""
    seen: list[Any] = []

    async def app(scope: Any, *_: Any) -> None:
        seen.append(scope)

    scope: Any = {
        "type": kind,
        "client": peer and (peer, 4711),
        "scheme": "ws" if kind == "websocket" else "http",
        "headers": headers,
        "state": state or {},
    }
    await ForwardedHeaders(app, TrustedProxies(["10.0.0.0/8"]))(scope, None, None)  # type: ignore[arg-type]
    client = seen[0]["client"]
    return client and client[0], seen[0]["scheme"]


@pytest.mark.parametrize(
    ("peer", "kind", "expected"),
    [
        ("10.0.0.1", "http", ("198.51.100.7", "https")),
        ("10.0.0.1", "websocket", ("198.51.100.7", "wss")),
        ("192.0.2.1", "http", ("192.0.2.1", "http")),
    ],
)
async def test_headers_count_only_from_a_trusted_proxy(
    peer: str, kind: str, expected: tuple[str, str]
) -> None:
    headers = (
        (b"x-forwarded-for", b"203.0.113.9"),
        (b"x-forwarded-for", b"198.51.100.7"),
        (b"x-forwarded-proto", b"https"),
    )
    assert await forwarded(peer, kind, *headers) == expected


@pytest.mark.parametrize("value", [b"", b"gopher", b"https, http"])
async def test_a_scheme_that_is_not_known_does_not_count(value: bytes) -> None:
    assert await forwarded("10.0.0.1", "http", (b"x-forwarded-proto", value)) == (
        "10.0.0.1",
        "http",
    )


async def test_headers_of_another_worker_count() -> None:
    """Its connections come over a Unix socket, and have no address."""
    headers = ((b"x-forwarded-for", b"198.51.100.7"), (b"x-forwarded-proto", b"https"))
    found = await forwarded(None, "http", *headers, state={FROM_WORKER: True})
    assert found == ("198.51.100.7", "https")


async def test_headers_of_a_client_that_has_gone_do_not_count() -> None:
    """The system no longer knows its address."""
    headers = ((b"x-forwarded-for", b"198.51.100.7"), (b"x-forwarded-proto", b"https"))
    assert await forwarded(None, "http", *headers) == (None, "http")


async def test_the_lifespan_has_no_headers() -> None:
    seen: list[Any] = []

    async def app(scope: Any, *_: Any) -> None:
        seen.append(scope)

    scope: Any = {"type": "lifespan"}
    await ForwardedHeaders(app, TrustedProxies([]))(scope, None, None)  # type: ignore[arg-type]
    assert seen == [{"type": "lifespan"}]
