"""A session being recorded: chunks in, and they are in the recording, whatever happens."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from sercuescribe_client.courier import Courier, Target
from sercuescribe_client.delivery import Delivery
from sercuescribe_client.errors import SercueScribeError, SessionCompletedError
from sercuescribe_client.messages import Progress
from sercuescribe_client.news import News


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is kept, and for how long the service is tried."""

    max_unpersisted_bytes: int = 32 * 2**20
    """Kept in memory until it is persisted. With more than that, ``send`` waits."""
    window_bytes: int = 2 * 2**20
    """Sent ahead of the acknowledgements."""
    patience_seconds: float = 300
    """Without an answer. Then the session fails with ``GaveUpError``."""


class Session:
    """Use it as a context: leaving it completes the session, unless an exception does the leaving.

    Chunks are kept until the service has persisted them. When the connection ends, another one is
    made, and goes on with just the chunk that the service lacks. The session supposes that it is
    the only one that sends to its recording.
    """

    def __init__(self, target: Target, limits: Limits) -> None:
        self._door = target.door
        self._delivery = Delivery(
            max_unpersisted_bytes=limits.max_unpersisted_bytes, window_bytes=limits.window_bytes
        )
        self._news = News()
        self._courier = Courier(
            target, self._delivery, self._news, patience_seconds=limits.patience_seconds
        )
        self._running: asyncio.Task[None] | None = None
        self._sending = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._courier.run())
        self._running.add_done_callback(lambda _: self._news.tell())
        try:
            await self._until(lambda: self._delivery.session_id)
        except BaseException:
            await self.detach()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None and not self._is_detached:
                await self.close()
        finally:
            await self.detach()

    @property
    def session_id(self) -> str:
        if self._delivery.session_id is None:
            raise RuntimeError("the session is not open yet")
        return self._delivery.session_id

    @property
    def url(self) -> str:
        """Where the recording is heard."""
        return f"{self._door.url}/api/audio/sessions/{self.session_id}/audio"

    @property
    def progress(self) -> Progress:
        state = self._delivery
        return Progress(
            chunks=state.chunk_count,
            acked=state.acked,
            persisted=state.persisted,
            duration_seconds=state.duration_seconds,
            unpersisted_bytes=state.kept_bytes,
            is_connected=self._courier.is_connected,
        )

    @property
    def last_error(self) -> SercueScribeError | None:
        """Why the last connection ended."""
        return self._courier.last_error

    @property
    def decode_error(self) -> SercueScribeError | None:
        """What could not be decoded last. The session goes on, and the chunk counts."""
        return self._courier.decode_error

    async def __aiter__(self) -> AsyncIterator[Progress]:
        """The progress whenever it has changed, until the end. Who is slow gets the newest."""
        seen: Progress | None = None
        while True:
            await self._news.until(functools.partial(self._has_news, seen))
            if self.progress == seen:
                break
            seen = self.progress
            yield seen
        if not self._is_detached:
            self._raise_failure()

    async def send(self, chunk: bytes | bytearray | memoryview) -> None:
        """Take a chunk, cut anywhere. Waits while too much is kept that is not persisted."""
        kept = bytes(chunk)
        async with self._sending:
            await self._until(lambda: self._delivery.has_room(len(kept)))
            if self._delivery.is_closing or self._is_over:
                raise self._ended_early()
            self._delivery.add(kept)
        self._news.tell()

    async def flush(self) -> None:
        """Return when everything that was sent is persisted."""
        target = self._delivery.flush()
        self._news.tell()
        await self._until(lambda: self._delivery.persisted >= target)
        if self._delivery.persisted < target:
            raise self._ended_early()

    async def close(self) -> Progress:
        """Complete the session; returns when the whole recording is persisted."""
        self._delivery.close()
        self._news.tell()
        await self._until(lambda: False)
        if self._delivery.acked < self._delivery.chunk_count:
            raise self._ended_early()
        return self.progress

    async def detach(self) -> None:
        """Let go of the session without completing it: ``Client.attach`` can go on with it."""
        if self._running is not None and not self._running.done():
            self._running.cancel()
            await asyncio.wait([self._running])

    @property
    def _is_over(self) -> bool:
        return self._running is None or self._running.done()

    @property
    def _is_detached(self) -> bool:
        return self._running is not None and self._running.cancelled()

    def _has_news(self, seen: Progress | None) -> bool:
        return self._is_over or self.progress != seen

    async def _until(self, condition: Callable[[], object]) -> None:
        """Wait for it, or for the end of the session. Where the session failed, that is raised."""
        await self._news.until(lambda: self._is_over or condition())
        if self._is_over:
            self._raise_failure()

    def _raise_failure(self) -> None:
        if self._running is None or self._is_detached:
            raise RuntimeError("the session is not open")
        if failure := self._running.exception():
            raise failure

    def _ended_early(self) -> SessionCompletedError:
        return SessionCompletedError(
            "session_completed",
            f"the session is completed: {self._delivery.how_far()}",
            self._delivery.session_id,
        )
