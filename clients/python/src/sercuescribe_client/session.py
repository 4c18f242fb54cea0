"""A session that this client records: it sends chunks until all of them are persisted."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from sercuescribe_client.condition import Condition
from sercuescribe_client.delivery import Delivery
from sercuescribe_client.errors import SercueScribeError, SessionCompletedError
from sercuescribe_client.models import Progress, SessionWarning
from sercuescribe_client.reconnecting_connection import ReconnectingConnection, SessionEndpoint
from sercuescribe_client.verification import Verification, compare


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of a session's memory and of its retries."""

    max_unpersisted_bytes: int = 32 * 2**20
    """Bytes in memory that are not persisted yet. At this limit, ``send`` waits."""
    window_bytes: int = 2 * 2**20
    """Bytes that are sent before they are acknowledged."""
    retry_timeout_seconds: float = 300
    """After this time without an answer, the session fails with ``GaveUpError``.

    An answer with ``Retry-After`` is one: the session waits as long as it says.
    """
    max_attempts: int | None = None
    """After this many attempts in a row without an acknowledgement, it fails likewise."""


class Session:
    """A session as a context manager: it completes the session on exit without an exception.

    Chunks stay in memory until the service has persisted them. After a lost connection, the
    session reconnects and continues with the first chunk that the service lacks. No other client
    may send to the same session.
    """

    def __init__(self, endpoint: SessionEndpoint, limits: Limits) -> None:
        self._api = endpoint.api
        self._delivery = Delivery(
            max_unpersisted_bytes=limits.max_unpersisted_bytes, window_bytes=limits.window_bytes
        )
        self._changed = Condition()
        self._connection = ReconnectingConnection(
            endpoint,
            self._delivery,
            self._changed,
            retry_timeout_seconds=limits.retry_timeout_seconds,
            max_attempts=limits.max_attempts,
        )
        self._task: asyncio.Task[None] | None = None
        self._send_lock = asyncio.Lock()
        self._verification = Verification("unknown", "the session is not completed")

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._connection.run())
        self._task.add_done_callback(lambda _: self._changed.notify_all())
        try:
            await self._wait_for(lambda: self._delivery.session_id)
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

    def __repr__(self) -> str:
        id_or_state = repr(self.session_id) if self.is_open else "not open"
        return f"<Session {id_or_state}: {self._delivery.progress_text()}>"

    @property
    def is_open(self) -> bool:
        """Whether the service has created or found the session, so that ``session_id`` is known."""
        return self._delivery.session_id is not None

    @property
    def session_id(self) -> str:
        if self._delivery.session_id is None:
            raise RuntimeError("the session is not open yet")
        return self._delivery.session_id

    @property
    def url(self) -> str:
        """The URL of the recording's audio."""
        return f"{self._api.url}/api/audio/sessions/{self.session_id}/audio"

    @property
    def progress(self) -> Progress:
        state = self._delivery
        return Progress(
            chunks=state.chunk_count,
            acked=state.acked,
            persisted=state.persisted,
            duration_seconds=state.duration_seconds,
            unpersisted_bytes=state.unpersisted_bytes,
            is_connected=self._connection.is_connected,
            is_paused=state.is_paused,
        )

    @property
    def attempt(self) -> int:
        """How often in a row this client has tried to connect; 0 after an acknowledgement."""
        return self._connection.attempt

    @property
    def last_error(self) -> SercueScribeError | None:
        """The error that ended the last connection."""
        return self._connection.last_error

    @property
    def decode_error(self) -> SercueScribeError | None:
        """The last decode error. The session continues, and the chunk counts."""
        return self._connection.decode_error

    @property
    def warnings(self) -> tuple[SessionWarning, ...]:
        """What of the session could not be recorded, as far as the service has told it."""
        return self._delivery.warnings

    @property
    def verification(self) -> Verification:
        """Whether the service has received what was sent, according to its receipt."""
        return self._verification

    async def __aiter__(self) -> AsyncIterator[Progress]:
        """Yield the progress after each change until the end; a slow reader gets the newest."""
        seen: Progress | None = None
        while True:
            await self._changed.wait_for(functools.partial(self._has_new_progress, seen))
            if self.progress == seen:
                break
            seen = self.progress
            yield seen
        if not self._is_detached:
            self._raise_failure()

    async def send(self, chunk: bytes | bytearray | memoryview) -> None:
        """Send a chunk, cut anywhere. Wait while ``max_unpersisted_bytes`` is reached.

        Raises ``TypeError`` if the chunk is text or anything else that is not bytes.
        """
        if not isinstance(chunk, bytes | bytearray | memoryview):
            raise TypeError(f"a chunk is bytes, not {type(chunk).__name__}: pass audio as bytes")
        kept = bytes(chunk)
        async with self._send_lock:
            await self._wait_for(lambda: self._delivery.has_room(len(kept)))
            if self._delivery.is_closing or self._is_finished:
                raise self._completed_early_error()
            self._delivery.add(kept)
        self._changed.notify_all()

    async def flush(self) -> None:
        """Return when all chunks sent so far are persisted."""
        target = self._delivery.flush()
        self._changed.notify_all()
        await self._wait_for(lambda: self._delivery.persisted >= target)
        if self._delivery.persisted < target:
            raise self._completed_early_error()

    async def pause(self) -> None:
        """Let the service record none of the chunks that follow, until :meth:`resume`.

        All chunks before it are recorded.
        """
        await self._change_pause("pause")

    async def resume(self) -> None:
        """Let the service record the chunks that follow; it records none before it."""
        await self._change_pause("resume")

    async def mark(self, label: str) -> None:
        """Add a mark to the timeline, behind all chunks sent so far."""
        await self._post("marks", {"label": label})

    async def _change_pause(self, path: str) -> None:
        info = await self._post(path)
        self._delivery.is_paused = info["paused"]
        self._changed.notify_all()

    async def _post(self, path: str, body: dict[str, str] | None = None) -> dict[str, Any]:
        """Call the endpoint between two chunks; return the body of the answer."""
        async with self._send_lock:
            await self.flush()
            return await self._api.request_json("POST", f"/{self.session_id}/{path}", json=body)

    async def close(self) -> Progress:
        """Complete the session, and return when the whole recording is persisted."""
        self._delivery.close()
        self._changed.notify_all()
        await self._wait_for(lambda: False)
        if self._delivery.acked < self._delivery.chunk_count:
            raise self._completed_early_error()
        self._verification = await self._compare_with_receipt()
        return self.progress

    async def detach(self) -> None:
        """Disconnect without completing the session: ``Client.attach`` can continue it."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _compare_with_receipt(self) -> Verification:
        state = self._delivery
        if not state.has_sent_all:
            return Verification("unknown", "another client has sent to the session")
        try:
            info = await self._api.request_json("GET", f"/{self.session_id}")
        except SercueScribeError as error:
            return Verification("unknown", f"the receipt could not be fetched: {error}")
        found = compare(state.sent_input, info.get("receipt"), state.receipt_digest)
        if found.result == "differs" and await self._was_paused():
            return Verification("unknown", "the session was paused")
        return found

    async def _was_paused(self) -> bool:
        with contextlib.suppress(SercueScribeError):
            timeline = await self._api.request_json("GET", f"/{self.session_id}/timeline")
            return bool(timeline["pauses"])
        return False

    @property
    def _is_finished(self) -> bool:
        return self._task is None or self._task.done()

    @property
    def _is_detached(self) -> bool:
        return self._task is not None and self._task.cancelled()

    def _has_new_progress(self, seen: Progress | None) -> bool:
        return self._is_finished or self.progress != seen

    async def _wait_for(self, predicate: Callable[[], object]) -> None:
        """Return when ``predicate`` is true or the session ended. Raise its error if it failed."""
        await self._changed.wait_for(lambda: self._is_finished or predicate())
        if self._is_finished:
            self._raise_failure()

    def _raise_failure(self) -> None:
        if self._task is None or self._is_detached:
            raise RuntimeError("the session is not open")
        if failure := self._task.exception():
            raise failure

    def _completed_early_error(self) -> SessionCompletedError:
        return SessionCompletedError(
            "session_completed",
            f"the session is completed: {self._delivery.progress_text()}",
            self._delivery.session_id,
        )
