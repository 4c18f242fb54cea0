"""The task of a session that talks to the service: connects, sends, listens, and begins again."""

import asyncio
import contextlib
import json
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from sercuescribe_client.backoff import Backoff
from sercuescribe_client.connection import closed_error, open_socket
from sercuescribe_client.delivery import STATUS, Delivery
from sercuescribe_client.door import Door
from sercuescribe_client.errors import (
    CredentialsExpiredError,
    GaveUpError,
    SercueScribeError,
    SessionCompletedError,
    UnreachableError,
    error_told,
)
from sercuescribe_client.messages import SessionInfo
from sercuescribe_client.news import News

_LEAST_ATTEMPT_SECONDS, _MOST_ATTEMPT_SECONDS = 1, 10
_ASK_SECONDS = 1  # for news of what is kept, where no answer brings it
_KEEP_ALIVE_SECONDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Which session: a new one with the parameters of ``query``, or the one at ``path``."""

    door: Door
    path: str
    query: dict[str, str]


class Courier:
    """Brings a delivery to the service, over as many connections as it takes."""

    def __init__(
        self, target: Target, delivery: Delivery, news: News, *, patience_seconds: float
    ) -> None:
        self.is_connected = False
        self.last_error: SercueScribeError | None = None
        self.decode_error: SercueScribeError | None = None
        self._target = target
        self._door = target.door
        self._delivery = delivery
        self._news = news
        self._patience_seconds = patience_seconds
        self._attempt_seconds = min(
            max(patience_seconds, _LEAST_ATTEMPT_SECONDS), _MOST_ATTEMPT_SECONDS
        )
        self._backoff = Backoff()
        self._failing_since: float | None = None
        self._told: SercueScribeError | None = None

    async def run(self) -> None:
        """Return when the session is completed, raise what makes going on useless."""
        while not self._delivery.is_completed:
            shown = self._door.credentials.headers
            try:
                await self._converse(shown)
            except SercueScribeError as error:
                self.is_connected, self.last_error = False, error
                self._news.tell()
                await self._recover(error, shown)

    async def _converse(self, headers: dict[str, str]) -> None:
        """One connection, from its greeting to its end."""
        self._told = None
        opening = open_socket(self._address(), headers, timeout_seconds=self._attempt_seconds)
        async with opening as socket:
            try:
                await self._greet(socket)
                await _beside(self._send(socket), self._receive(socket))
            except ConnectionClosed as closed:
                raise closed_error(closed, self._told) from closed

    def _address(self) -> str:
        session_id, target = self._delivery.session_id, self._target
        if session_id is not None:
            return f"{self._door.ws_url}/{session_id}?resume=true"
        return f"{self._door.ws_url}{target.path}?{urlencode(target.query)}"

    async def _greet(self, socket: ClientConnection) -> None:
        try:
            async with asyncio.timeout(self._attempt_seconds):
                while (message := json.loads(await socket.recv()))["type"] != "session":
                    self._told = error_told(message)
        except TimeoutError:
            raise UnreachableError("unreachable", "the service does not greet") from None
        self._delivery.greeted(message)
        self.is_connected = True
        self._news.tell()

    async def _receive(self, socket: ClientConnection) -> None:
        while not self._delivery.is_completed:
            message = json.loads(await socket.recv())
            if message["type"] == "error":
                self._told = error_told(message)
                if self._told.code != "decode_failed":
                    continue
                self.decode_error, self._told = self._told, None
            self._delivery.heard(message)
            self._failing_since = None
            self._backoff.reset()
            self._news.tell()

    async def _send(self, socket: ClientConnection) -> None:
        # Why a connection ended is for the one who listens to say.
        with contextlib.suppress(ConnectionClosed):
            while True:
                message = self._delivery.next_message()
                if message is None and not await self._something_to_send():
                    message = STATUS
                if message is not None:
                    await socket.send(message)

    async def _something_to_send(self) -> bool:
        """Wait for it. False after a while in which there was nothing: time to ask."""
        seconds = _ASK_SECONDS if self._delivery.kept_bytes else _KEEP_ALIVE_SECONDS
        try:
            async with asyncio.timeout(seconds):
                await self._news.until(self._delivery.has_message)
        except TimeoutError:
            return False
        return True

    async def _recover(self, error: SercueScribeError, shown: dict[str, str]) -> None:
        """Wait for the next attempt, unless it would be in vain."""
        if isinstance(error, SessionCompletedError) and self._delivery.is_closing:
            try:
                await self._finish_unheard()
                return
            except SercueScribeError as failure:
                error = failure
        is_renewed = isinstance(error, CredentialsExpiredError) and (
            await self._door.credentials.renew(shown)
        )
        if error.is_final and not is_renewed:
            error.session_id = error.session_id or self._delivery.session_id
            raise error
        await self._pause(error)

    async def _pause(self, error: SercueScribeError) -> None:
        now = asyncio.get_running_loop().time()
        self._failing_since = now if self._failing_since is None else self._failing_since
        seconds = max(self._backoff.next_seconds(), error.retry_after_seconds)
        if now + seconds - self._failing_since > self._patience_seconds:
            raise GaveUpError(
                "gave_up",
                f"gave up after {now - self._failing_since:.0f} s; "
                f"{self._delivery.how_far()}; {error}",
                self._delivery.session_id,
            ) from error
        await asyncio.sleep(seconds)

    async def _finish_unheard(self) -> None:
        """The session completed, and the message that says so was lost: ask what it has."""
        answer = await self._door.ask("GET", f"/{self._delivery.session_id}")
        info = SessionInfo.from_json(answer)
        self._delivery.found_completed(
            info.total_chunks, info.persisted_chunk_count, info.duration_seconds
        )


async def _beside(helper: Coroutine[Any, Any, None], main: Coroutine[Any, Any, None]) -> None:
    """Run both until ``main`` ends or one of them fails."""
    helping, leading = asyncio.create_task(helper), asyncio.create_task(main)
    try:
        await asyncio.wait([helping, leading], return_when=asyncio.FIRST_COMPLETED)
        if helping.done() and helping.exception() is None:
            await asyncio.wait([leading])
    finally:
        helping.cancel()
        leading.cancel()
        await asyncio.wait([helping, leading])
    for task in (leading, helping):
        if not task.cancelled() and (failure := task.exception()):
            raise failure
