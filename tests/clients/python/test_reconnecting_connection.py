"""Refused handshakes, expired credentials, and unexpected answers."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from typing import Any

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from api.access.api_keys import key_line, new_key
from sercuescribe_client import (
    AuthenticationRequiredError,
    Client,
    CredentialsExpiredError,
    GaveUpError,
    HostNotFoundError,
    Limits,
    NotAllowedError,
    Progress,
    RateLimitedError,
    SercueScribeError,
    SessionCompletedError,
    SessionNotFoundError,
)
from tests.audio import pcm
from tests.service import Service
from tests.test_access import SECRET, token

_ID = "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"
Answer = Callable[[ServerConnection, Request], Response | None]


@contextlib.asynccontextmanager
async def fake_service(
    handler: Callable[[ServerConnection], Awaitable[None]], answer: Answer | None = None
) -> AsyncIterator[str]:
    server: Server
    async with serve(handler, "127.0.0.1", 0, process_request=answer) as server:
        yield f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


def server_message(kind: str, count: int, **fields: Any) -> str:
    message = {"type": kind, "session_id": _ID, "chunk_count": count, "status": "active"}
    return json.dumps({**message, "persisted_chunk_count": 0, "duration_seconds": 0, **fields})


async def complete(socket: ServerConnection) -> None:
    await socket.send(server_message("session", 0))
    async for message in socket:
        if "close_session" in str(message):
            await socket.send(
                server_message("control", 0, action="close_session", status="completed")
            )
            return


def refuse_handshakes(
    status: int, headers: dict[str, str], body: dict[str, Any] | None, times: int
) -> Any:
    """Return an answer that refuses ``times`` handshakes, and the list of their times."""
    arrival_times: list[float] = []

    def answer(connection: ServerConnection, request: Request) -> Response | None:
        if not request.path.startswith("/api/ws/"):  # the receipt is asked for at the end
            return None
        arrival_times.append(asyncio.get_running_loop().time())
        if len(arrival_times) > times:
            return None
        response = connection.respond(HTTPStatus(status), json.dumps(body))
        response.headers.update(headers)
        return response

    return answer, arrival_times


async def test_a_retry_waits_for_retry_after() -> None:
    body = {"code": "rate_limited", "error": "Too many requests, try again later"}
    answer, arrival_times = refuse_handshakes(429, {"Retry-After": "1"}, body, 1)
    async with fake_service(complete, answer) as url, Client(url) as client, client.create():
        pass
    assert arrival_times[1] - arrival_times[0] >= 1


@pytest.mark.parametrize(
    ("status", "expected"), [(404, SessionNotFoundError), (403, NotAllowedError)]
)
async def test_a_final_http_status_is_an_error(
    status: int, expected: type[SercueScribeError]
) -> None:
    code = {404: "session_not_found", 403: "not_allowed"}[status]
    answer, arrival_times = refuse_handshakes(status, {}, {"code": code, "error": "No"}, 99)
    async with fake_service(complete, answer) as url, Client(url) as client:
        with pytest.raises(expected):
            async with client.create():
                pass
    assert len(arrival_times) == 1


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_another_http_status_is_retried(status: int) -> None:
    answer, arrival_times = refuse_handshakes(status, {}, None, 2)
    async with fake_service(complete, answer) as url, Client(url) as client, client.create():
        pass
    assert len(arrival_times) == 3


@pytest.mark.parametrize("code", [1001, 1011, 1012, 1013, 4000])
async def test_a_close_code_that_is_not_final_is_retried(code: int) -> None:
    sockets = []

    async def handler(socket: ServerConnection) -> None:
        sockets.append(socket)
        if len(sockets) == 1:
            await socket.close(code)
        else:
            await complete(socket)

    async with fake_service(handler) as url, Client(url) as client, client.create():
        pass
    assert len(sockets) == 2


@pytest.mark.parametrize("code", [1000, 1008, 1009, 4103])
async def test_a_final_close_code_is_an_error(code: int) -> None:
    async def handler(socket: ServerConnection) -> None:
        await socket.close(code, "because")

    async with fake_service(handler) as url, Client(url) as client:
        with pytest.raises(SercueScribeError) as failed:
            async with client.create():
                pass
    assert failed.value.is_final


async def test_a_client_waits_for_retry_after_longer_than_the_retry_timeout() -> None:
    body = {"code": "rate_limited", "error": "Too many requests, try again later"}
    answer, arrival_times = refuse_handshakes(429, {"Retry-After": "1"}, body, 2)
    limits = Limits(retry_timeout_seconds=0.5)
    async with (
        fake_service(complete, answer) as url,
        Client(url, limits=limits) as client,
        client.create(),
    ):
        pass
    assert len(arrival_times) == 3


async def test_a_rate_limited_client_gives_up_after_the_maximum_of_attempts(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(max_handshakes_per_minute=1)
    limits = Limits(max_attempts=1)
    async with Client(service.url, limits=limits) as client, client.create():
        with pytest.raises(GaveUpError) as failed:
            async with client.create():
                pass
    assert isinstance(failed.value.__cause__, RateLimitedError)
    assert failed.value.__cause__.retry_after_seconds > 1


async def test_a_client_gives_up_after_the_maximum_of_attempts() -> None:
    limits = Limits(max_attempts=3)
    answer, arrival_times = refuse_handshakes(503, {}, None, 99)
    async with fake_service(complete, answer) as url, Client(url, limits=limits) as client:
        with pytest.raises(GaveUpError, match="gave up after 3 attempts"):
            async with client.create():
                pass
    assert len(arrival_times) == 3


async def test_a_name_that_does_not_resolve_is_an_error_at_once() -> None:
    async with Client("http://sercuescribe.invalid") as client:
        with pytest.raises(HostNotFoundError, match="the name does not resolve"):
            async with client.create():
                pass
        with pytest.raises(HostNotFoundError):
            await client.info(_ID)


def session_info_json(total_chunks: int) -> dict[str, Any]:
    """Return the JSON of a completed session."""
    time = "2026-01-01T00:00:00Z"
    return {
        "session_id": _ID,
        "status": "completed",
        "user_id": None,
        "sample_rate": 44100,
        "channels": 1,
        "format": "wav",
        "total_chunks": total_chunks,
        "persisted_chunk_count": total_chunks,
        "duration_seconds": 1.5,
        "file_path": "x.wav",
        "size_bytes": 80,
        "unpersisted_bytes": 0,
        "unpersisted_seconds": 0.0,
        "connections": 0,
        "created_at": time,
        "completed_at": time,
        "error": None,
        "warnings": [],
        "warning_count": 0,
    }


async def close_without_final_message(url: str) -> Progress:
    async with Client(url) as client, client.create() as session:
        await session.send(b"first")
        await session.send(b"second")
        return await session.close()


@pytest.fixture
def lossy_service() -> Callable[[int], Any]:
    """A service that completes the session, but disconnects before its final message."""

    async def handler(socket: ServerConnection) -> None:
        assert socket.request is not None
        if "resume" in socket.request.path:
            told = {"code": "session_completed", "error": "Session is completed"}
            await socket.send(server_message("error", 0, **told))
            await socket.close(1008)
            return
        await socket.send(server_message("session", 0))
        async for message in socket:
            if "close_session" in str(message):
                socket.transport.abort()

    def start(total_chunks: int) -> Any:
        def answer(connection: ServerConnection, request: Request) -> Response | None:
            if request.path != f"/api/audio/sessions/{_ID}":
                return None
            return connection.respond(HTTPStatus.OK, json.dumps(session_info_json(total_chunks)))

        return fake_service(handler, answer)

    return start


async def test_a_session_with_a_lost_final_message_is_found_completed(lossy_service: Any) -> None:
    async with lossy_service(2) as url:
        final = await close_without_final_message(url)
    assert (final.acked, final.persisted, final.duration_seconds) == (2, 2, 1.5)


async def test_a_session_completed_before_all_chunks_arrived_is_an_error(
    lossy_service: Any,
) -> None:
    async with lossy_service(1) as url:
        with pytest.raises(SessionCompletedError, match="1 of 2 chunks"):
            await close_without_final_message(url)


@pytest.fixture
def jwt_service(start_service: Callable[..., Service]) -> Service:
    return start_service(
        auth_mode="jwt",
        jwt_secret=SECRET,
        jwt_issuer="https://id.example",
        jwt_audience="recorder",
    )


async def test_expired_credentials_are_refreshed(jwt_service: Service) -> None:
    asked = []

    async def refresh() -> str:
        asked.append(1)
        return token("alice", "record read")

    expired = token("alice", "record read", lifetime_seconds=-60)
    async with Client(jwt_service.url, token=expired, refresh=refresh) as client:
        async with client.create() as session:
            await session.send(pcm(100))
        assert (await client.info(session.session_id)).user_id == "alice"
    assert asked == [1]


async def test_expired_credentials_without_refresh_are_an_error(jwt_service: Service) -> None:
    expired = token("alice", "record read", lifetime_seconds=-60)
    async with Client(jwt_service.url, token=expired) as client:
        with pytest.raises(CredentialsExpiredError):
            async with client.create():
                pass
        with pytest.raises(CredentialsExpiredError):
            await client.info(_ID)


async def test_a_key_allows_only_its_scopes(start_service: Callable[..., Service]) -> None:
    key = new_key()
    service = start_service(auth_mode="api_key", api_keys=key_line(key, "alice", ("record",)))
    async with Client(service.url, key=key) as client:
        async with client.create() as session:
            await session.send(pcm(10))
        with pytest.raises(NotAllowedError):
            await anext(client.list())
    async with Client(service.url) as client:
        with pytest.raises(AuthenticationRequiredError):
            async with client.create():
                pass
