"""Limits of connections and of new sessions per client, over real sockets."""

from collections.abc import Callable

import pytest

from api.access.api_keys import key_line, new_key
from tests.api.access.test_middleware import SESSIONS, handshake, raw_handshake
from tests.service import Service


def test_a_client_that_connects_too_often_gets_429_with_retry_after(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(max_handshakes_per_minute=5)
    assert [handshake(service)[0] for _ in range(7)] == [101] * 5 + [429] * 2
    assert handshake(service) == (429, "rate_limited")
    answer = raw_handshake(service, {"Host": "127.0.0.1"})
    assert b"retry-after: 60" in answer
    assert service.get(SESSIONS).status_code == 200


def test_handshakes_without_valid_credentials_do_not_use_up_the_limit_of_those_with(
    start_service: Callable[..., Service],
) -> None:
    key = new_key()
    service = start_service(
        auth_mode="api_key", api_keys=key_line(key, "a", ["record"]), max_handshakes_per_minute=3
    )
    assert [handshake(service)[0] for _ in range(5)] == [101] * 3 + [429] * 2
    assert handshake(service, **{"X-API-Key": f"{key}x"})[0] == 429
    shown = {"X-API-Key": key}
    assert [handshake(service, **shown)[0] for _ in range(5)] == [101] * 3 + [429] * 2


@pytest.mark.parametrize("way", ["http", "websocket"])
def test_a_client_that_creates_too_many_sessions_gets_429(
    start_service: Callable[..., Service], way: str
) -> None:
    service = start_service(max_new_sessions_per_minute=3)

    def create() -> int:
        if way == "http":
            return service.post(SESSIONS).status_code
        return handshake(service)[0]

    good = 201 if way == "http" else 101
    assert [create() for _ in range(5)] == [good] * 3 + [429] * 2
    listed = service.get(SESSIONS).json()["sessions"]
    assert len(listed) == 3


def test_x_forwarded_for_counts_only_if_a_trusted_proxy_sent_it(
    start_service: Callable[..., Service],
) -> None:
    def create(service: Service, client: str) -> int:
        return service.post(SESSIONS, headers={"X-Forwarded-For": client}).status_code

    trusting = start_service(max_new_sessions_per_minute=2, trusted_proxies="127.0.0.0/8")
    assert [create(trusting, "192.0.2.1") for _ in range(3)] == [201, 201, 429]
    assert create(trusting, "192.0.2.2") == 201
    assert [create(trusting, f"2001:db8::{host}") for host in (1, 2, 3)] == [201, 201, 429]
    assert create(trusting, "2001:db8:0:1::1") == 201
    trusting_all = start_service(max_new_sessions_per_minute=2, trusted_proxies="*")
    chosen = [f"192.0.2.{host}, 198.51.100.1" for host in range(3)]
    assert [create(trusting_all, addresses) for addresses in chosen] == [201, 201, 429]
    wary = start_service(max_new_sessions_per_minute=2)
    assert [create(wary, f"192.0.2.{host}") for host in range(3)] == [201, 201, 429]
