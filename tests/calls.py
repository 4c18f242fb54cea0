"""Calls of platforms to a service that runs, and what became of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.eventually import eventually
from tests.platforms import Message, twilio
from tests.service import Service


@contextlib.asynccontextmanager
async def dial(
    service: Service,
    path: str = "/api/ws/call",
    *,
    headers: dict[str, str] | None = None,
    subprotocols: tuple[str, ...] = (),
    worker: int | None = None,
    **query: Any,
) -> AsyncIterator[ClientConnection]:
    """Connect as a platform does; reach this ``worker``."""
    url = f"ws://127.0.0.1:{service.port}{path}"
    options: dict[str, Any] = {}
    if worker is not None:
        options = {"unix": True, "path": str(service.folder / ".workers" / f"{worker}.http")}
    async with connect(
        f"{url}?{urlencode(query)}" if query else url,
        additional_headers=headers,
        subprotocols=[Subprotocol(each) for each in subprotocols] or None,
        max_size=None,
        **options,
    ) as socket:
        yield socket


async def send(socket: ClientConnection, messages: Iterable[Message]) -> None:
    for message in messages:
        await socket.send(message)


@contextlib.asynccontextmanager
async def half_open_call(
    service: Service, messages: Iterable[Message], *, worker: int | None = None, **query: Any
) -> AsyncIterator[ClientConnection]:
    """Begin a call of Twilio whose connection answers nothing after ``messages``, nor ends."""
    async with dial(service, worker=worker, **query) as socket:
        await send(socket, [twilio.start("inbound"), *messages])
        await received(socket)
        socket.transport.pause_reading()
        yield socket


async def received(socket: ClientConnection) -> None:
    """Return when the service has received all messages: the pong comes after them."""
    await (await socket.ping())


async def sessions(service: Service, **query: Any) -> list[dict[str, Any]]:
    """Return the sessions that the list finds, oldest first."""
    answer = await asyncio.to_thread(service.get, f"/api/audio/sessions?{urlencode(query)}")
    return list(reversed(answer.json()["sessions"]))


async def only_session(
    service: Service, *, status: str = "completed", seconds: float = 0.0, **query: Any
) -> dict[str, Any]:
    """Wait until there is one session that has the status and the audio; return it."""

    async def found() -> list[dict[str, Any]]:
        listed = await sessions(service, **query)
        assert len(listed) <= 1
        return listed

    (session,) = await eventually(
        found,
        lambda listed: (
            bool(listed)
            and listed[0]["status"] == status
            and listed[0]["duration_seconds"] >= seconds
        ),
        awaiting=f"a session that is {status}",
    )
    return session


async def disconnected(service: Service, *, seconds: float, **query: Any) -> dict[str, Any]:
    """Wait until the only session has the audio and no connection; return it."""

    async def found() -> list[dict[str, Any]]:
        return await sessions(service, **query)

    (session,) = await eventually(
        found,
        lambda listed: (
            len(listed) == 1
            and listed[0]["duration_seconds"] >= seconds
            and not listed[0]["connections"]
        ),
        awaiting="a session without a connection",
    )
    return session
