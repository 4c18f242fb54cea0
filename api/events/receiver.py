"""One receiver of events: what is sent to it, and whether it is worth a request."""

import asyncio
import logging
from typing import Protocol

from api.clock import Clock
from api.events.endpoint import Endpoint
from api.events.entry import Entry
from api.events.sender import Answer
from api.events.signature import signed_headers
from api.observe.tracing import Tracing

logger = logging.getLogger(__name__)

_FAILURES_UNTIL_PAUSE = 5


class Sender(Protocol):
    """Sends requests; see `api.events.sender`."""

    async def post(
        self, url: str, body: bytes, headers: dict[str, str], *, timeout_seconds: float
    ) -> Answer: ...


class Receiver:
    """Signs and sends messages to one endpoint, a few at a time.

    A receiver that answers slowly keeps no other waiting: it is busy while all its turns are taken.
    After some failures in a row there is a pause, so that a receiver that does not answer keeps
    neither a backlog nor other receivers waiting. A receiver that answers 410 gets nothing more
    until the service is started again.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        sender: Sender,
        clock: Clock,
        tracing: Tracing,
        *,
        timeout_seconds: float,
        pause_seconds: float,
        turns: int = 4,
        turn_seconds: float = 1.0,
    ) -> None:
        """``turns``: how many messages are sent at the same time.

        ``turn_seconds``: how long a message waits for one before the receiver counts as slow.
        """
        self.turns = turns
        self._free_turns = asyncio.Semaphore(turns)
        self._turn_seconds = turn_seconds
        self._is_slow = False
        self.endpoint = endpoint
        self.is_disabled = False
        self._sender = sender
        self._clock = clock
        self._tracing = tracing
        self._timeout_seconds = timeout_seconds
        self._pause_length_seconds = pause_seconds
        self._failures = 0
        self._paused_until = clock.monotonic()

    @property
    def is_failing(self) -> bool:
        """Return whether the last attempts have failed."""
        return self.is_disabled or self._failures >= _FAILURES_UNTIL_PAUSE

    @property
    def pause_seconds(self) -> float:
        """Return for how long nothing is sent."""
        return max(0.0, self._paused_until - self._clock.monotonic())

    @property
    def is_busy(self) -> bool:
        """Return whether a message would wait for long."""
        return self._is_slow and self._free_turns.locked()

    @property
    def is_ready(self) -> bool:
        """Return whether a message would be sent."""
        return not (self.is_disabled or self.pause_seconds or self.is_busy)

    async def deliver(self, entry: Entry, body: bytes) -> Answer:
        """Send the event, unless there is a pause or no turn. Raises nothing."""
        if self.is_disabled:
            return Answer("gone")
        if self.pause_seconds:
            return Answer("paused", retry_after_seconds=self.pause_seconds)
        if self.is_busy or not await self._take_turn():
            return Answer("busy")
        try:
            if self.is_disabled:  # by the answer to another message, meanwhile
                return Answer("gone")
            return await self._send(entry, body)
        finally:
            self._free_turns.release()

    async def _take_turn(self) -> bool:
        try:
            async with asyncio.timeout(self._turn_seconds):
                await self._free_turns.acquire()
        except TimeoutError:
            self._is_slow = True
            return False
        self._is_slow = False
        return True

    async def _send(self, entry: Entry, body: bytes) -> Answer:
        now = int(self._clock.now().timestamp())
        headers = signed_headers(self.endpoint.keys, entry.event_id, now, body)
        with self._tracing.span("deliver event", entry.session_id, is_root=True):
            answer = await self._sender.post(
                self.endpoint.url, body, headers, timeout_seconds=self._timeout_seconds
            )
            if answer.result != "delivered":
                self._tracing.fail_span(answer.reason)
        self._note(answer)
        return answer

    def _note(self, answer: Answer) -> None:
        if answer.result == "delivered":
            if self._failures:
                logger.info("Webhooks are delivered again: host=%s", self.endpoint.host)
            self._failures = 0
            return
        if answer.result == "gone" and not self.is_disabled:
            self.is_disabled = True
            logger.error(
                "Webhooks disabled until the next start, the receiver answered 410: host=%s",
                self.endpoint.host,
            )
        self._failures += 1
        if self._failures in {1, _FAILURES_UNTIL_PAUSE}:
            logger.warning(
                "Failed to deliver a webhook: host=%s failures=%d reason=%s",
                self.endpoint.host,
                self._failures,
                answer.reason,
            )
        if self._failures >= _FAILURES_UNTIL_PAUSE:
            self._paused_until = self._clock.monotonic() + self._pause_length_seconds
