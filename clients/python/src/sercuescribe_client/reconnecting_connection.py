"""The connection of a session to the service, which reconnects until the session is completed."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from sercuescribe_client.api_client import ApiClient
from sercuescribe_client.backoff import Retries
from sercuescribe_client.condition import Condition
from sercuescribe_client.connection import error_from_close, open_socket
from sercuescribe_client.delivery import STATUS_MESSAGE, Delivery
from sercuescribe_client.errors import (
    CredentialsExpiredError,
    GaveUpError,
    HostNotFoundError,
    SercueScribeError,
    SessionCompletedError,
    UnreachableError,
    error_from_json,
)
from sercuescribe_client.models import SessionInfo

_logger = logging.getLogger("sercuescribe_client")

_MIN_CONNECT_TIMEOUT_SECONDS, _MAX_CONNECT_TIMEOUT_SECONDS = 1, 10
_STATUS_INTERVAL_SECONDS = 1  # messages carry the persisted count; without one, ask for it
_KEEP_ALIVE_INTERVAL_SECONDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEndpoint:
    """The URL of a session's WebSocket: a new session with ``query``, or the one at ``path``."""

    api: ApiClient
    path: str
    query: dict[str, str]


class ReconnectingConnection:
    """Send the chunks of a delivery to the service and reconnect when a connection ends."""

    def __init__(
        self,
        endpoint: SessionEndpoint,
        delivery: Delivery,
        changed: Condition,
        *,
        retry_timeout_seconds: float,
        max_attempts: int | None,
    ) -> None:
        self.is_connected = False
        self.attempt = 0
        self.last_error: SercueScribeError | None = None
        self.decode_error: SercueScribeError | None = None
        self._endpoint = endpoint
        self._api = endpoint.api
        self._delivery = delivery
        self._changed = changed
        self._max_attempts = max_attempts
        self._connect_timeout_seconds = min(
            max(retry_timeout_seconds, _MIN_CONNECT_TIMEOUT_SECONDS), _MAX_CONNECT_TIMEOUT_SECONDS
        )
        self._retries = Retries(retry_timeout_seconds)
        self._server_error: SercueScribeError | None = None

    async def run(self) -> None:
        """Return when the session is completed. Raise the error that a retry would not change."""
        while not self._delivery.is_completed:
            credential_headers = self._api.credentials.headers
            self.attempt += 1
            self._changed.notify_all()
            try:
                await self._run_connection(credential_headers)
            except SercueScribeError as error:
                self.is_connected, self.last_error = False, error
                self._changed.notify_all()
                await self._prepare_retry(error, credential_headers)

    async def _run_connection(self, headers: dict[str, str]) -> None:
        """Open one connection and use it until it ends."""
        self._server_error = None
        opening = open_socket(self._url(), headers, timeout_seconds=self._connect_timeout_seconds)
        async with opening as socket:
            try:
                await self._receive_greeting(socket)
                await _run_until_main_ends(
                    self._send_messages(socket), self._receive_messages(socket)
                )
            except ConnectionClosed as closed:
                raise error_from_close(closed, self._server_error) from closed

    def _url(self) -> str:
        session_id, endpoint = self._delivery.session_id, self._endpoint
        if session_id is not None:
            return f"{self._api.ws_url}/{session_id}?resume=true"
        return f"{self._api.ws_url}{endpoint.path}?{urlencode(endpoint.query)}"

    async def _receive_greeting(self, socket: ClientConnection) -> None:
        try:
            async with asyncio.timeout(self._connect_timeout_seconds):
                while (message := json.loads(await socket.recv()))["type"] != "session":
                    self._server_error = error_from_json(message)
        except TimeoutError:
            raise UnreachableError("unreachable", "the service sent no first message") from None
        self._delivery.receive_greeting(message)
        self.is_connected = True
        _logger.info("Session %s connected", message["session_id"])
        self._changed.notify_all()

    async def _receive_messages(self, socket: ClientConnection) -> None:
        while not self._delivery.is_completed:
            message = json.loads(await socket.recv())
            if message["type"] == "error":
                self._server_error = error_from_json(message)
                if self._server_error.code != "decode_failed":
                    continue
                self.decode_error, self._server_error = self._server_error, None
            self._delivery.receive_message(message)
            self.attempt = 0
            self._retries.succeeded()
            self._changed.notify_all()

    async def _send_messages(self, socket: ClientConnection) -> None:
        # _receive_messages raises the error that says why the connection ended.
        with contextlib.suppress(ConnectionClosed):
            while True:
                message = self._delivery.next_message()
                if message is None and not await self._wait_for_message():
                    message = STATUS_MESSAGE
                if message is not None:
                    await socket.send(message)

    async def _wait_for_message(self) -> bool:
        """Wait for a message to send. Return False after an interval without one."""
        seconds = (
            _STATUS_INTERVAL_SECONDS
            if self._delivery.unpersisted_bytes
            else _KEEP_ALIVE_INTERVAL_SECONDS
        )
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait_for(self._delivery.has_message)
        except TimeoutError:
            return False
        return True

    async def _prepare_retry(
        self, error: SercueScribeError, credential_headers: dict[str, str]
    ) -> None:
        """Wait before the next attempt. Raise ``error`` if a retry would end the same way."""
        if isinstance(error, SessionCompletedError) and self._delivery.is_closing:
            try:
                await self._complete_from_session_info()
                return
            except SercueScribeError as failure:
                error = failure
        is_renewed = isinstance(error, CredentialsExpiredError) and (
            await self._api.credentials.renew(credential_headers)
        )
        if self._is_final(error) and not is_renewed:
            error.session_id = error.session_id or self._delivery.session_id
            raise error
        await self._wait_before_retry(error)

    def _is_final(self, error: SercueScribeError) -> bool:
        """Return whether a retry would end the same way.

        Once a session has been connected, its name is right, and the resolver is what fails.
        """
        is_name_known = self._delivery.session_id is not None
        return error.is_final and not (isinstance(error, HostNotFoundError) and is_name_known)

    async def _wait_before_retry(self, error: SercueScribeError) -> None:
        if self._max_attempts is not None and self.attempt >= self._max_attempts:
            raise self._gave_up_error(f"{self.attempt} attempts") from error
        seconds = self._retries.next_seconds(error.retry_after_seconds)
        if seconds is None:
            raise self._gave_up_error(f"{self._retries.failing_seconds:.0f} s") from error
        _logger.info("Session %s retries in %.1f s: %s", self._delivery.session_id, seconds, error)
        await asyncio.sleep(seconds)

    def _gave_up_error(self, after: str) -> GaveUpError:
        text = f"gave up after {after}; {self._delivery.progress_text()}; {self.last_error}"
        return GaveUpError("gave_up", text, self._delivery.session_id)

    async def _complete_from_session_info(self) -> None:
        """Fetch the counts of a completed session whose final message was lost."""
        fields = await self._api.request_json("GET", f"/{self._delivery.session_id}")
        self._delivery.mark_completed(SessionInfo.from_json(fields))


async def _run_until_main_ends(
    background: Coroutine[Any, Any, None], main: Coroutine[Any, Any, None]
) -> None:
    """Run both until ``main`` ends or one of them fails."""
    background_task, main_task = asyncio.create_task(background), asyncio.create_task(main)
    try:
        await asyncio.wait([background_task, main_task], return_when=asyncio.FIRST_COMPLETED)
        if background_task.done() and background_task.exception() is None:
            await asyncio.wait([main_task])
    finally:
        background_task.cancel()
        main_task.cancel()
        await asyncio.wait([background_task, main_task])
    for task in (main_task, background_task):
        if not task.cancelled() and (failure := task.exception()):
            raise failure
