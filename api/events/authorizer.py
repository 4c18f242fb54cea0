"""Asks AUTHORIZE_URL whether a session may be created."""

import logging

import msgspec
import uuid_utils.compat

from api.clock import Clock
from api.events.receiver import Sender
from api.events.sender import Answer
from api.events.signature import signed_headers
from api.session.parameters import AudioParameters
from api.wire.errors import AuthorizationUnavailableError, NotAllowedError

logger = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 2.0
_DENIALS = range(400, 500)


class _Question(msgspec.Struct, kw_only=True):
    user_id: str | None
    client: str
    sample_rate: int
    channels: int
    format: str


class SessionAuthorizer:
    """Asks before a session is created, never before one is resumed. Without a URL: allows all."""

    def __init__(
        self,
        url: str,
        keys: tuple[bytes, ...],
        sender: Sender,
        clock: Clock,
        *,
        timeout_seconds: float = _TIMEOUT_SECONDS,
    ) -> None:
        self._url = url
        self._keys = keys
        self._sender = sender
        self._clock = clock
        self._timeout_seconds = timeout_seconds

    async def check(self, user_id: str | None, client: str, audio: AudioParameters) -> None:
        """Return if the answer is 2xx. ``client`` is the address of the caller.

        Raises `NotAllowedError` if it is 4xx, and `AuthorizationUnavailableError` for every other
        answer, or none in time.
        """
        if not self._url:
            return
        answer = await self._ask(
            _Question(
                user_id=user_id,
                client=client,
                sample_rate=audio.sample_rate,
                channels=audio.channels,
                format=audio.format,
            )
        )
        if answer.result == "delivered":
            return
        if answer.status in _DENIALS:
            raise NotAllowedError("AUTHORIZE_URL has refused this session")
        logger.error("Failed to ask AUTHORIZE_URL, session refused: reason=%s", answer.reason)
        raise AuthorizationUnavailableError

    async def _ask(self, question: _Question) -> Answer:
        body = msgspec.json.encode(question)
        message_id = f"authorize-{uuid_utils.compat.uuid7()}"
        now = int(self._clock.now().timestamp())
        headers = signed_headers(self._keys, message_id, now, body) if self._keys else {}
        return await self._sender.post(
            self._url, body, headers, timeout_seconds=self._timeout_seconds
        )
