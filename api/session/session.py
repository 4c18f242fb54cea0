"""One live session: the shell around the state machine in `api.session.core`.

It passes the events of connections to the core and carries out the core's actions: it opens and
ends input streams, ends connections, and completes or releases the recording.
"""

import asyncio
import contextlib
import functools
import logging
from collections.abc import Callable, Coroutine, Iterable, Iterator
from datetime import timedelta
from typing import Any, Literal, cast
from uuid import UUID

from api.audio.ffmpeg.launcher import DecoderLauncher
from api.audio.formats import DecodeError, InputKind
from api.clock import Clock
from api.observe import log_context
from api.observe.metrics import Metrics
from api.observe.tracing import Tracing
from api.session.checkpoint_writer import CheckpointWriter
from api.session.connection import Connection
from api.session.connection_spans import ConnectionSpans
from api.session.core import (
    Action,
    CloseIdle,
    EndStream,
    OpenStream,
    Replace,
    SessionCore,
    SessionLimits,
    SessionState,
)
from api.session.counts import Counts
from api.session.events import SessionEvents
from api.session.info import Interruption, session_info
from api.session.input_stream import InputStream
from api.session.kept_input import KeptInput
from api.session.ledger import Ledger
from api.session.pauses import Pauses
from api.session.progress import ProgressSignal
from api.session.session_timeline import SessionTimeline
from api.session.stream_files import StreamFiles
from api.weak_method import weak_method
from api.wire.errors import (
    ConnectionIdleError,
    ConnectionReplacedError,
    SessionCompletedError,
    SessionDeletedError,
)
from api.wire.messages import SessionInfo, SessionWarnings
from storage.base import Recording
from storage.details import DetailChanges
from storage.errors import FencedError, StorageError
from storage.retry import Backoff
from storage.timeline import Timeline

logger = logging.getLogger(__name__)

# A completion that takes longer waits for a decoder that may hang.
_COMPLETION_SECONDS = 2.0


# Why a session is completed: a client closed it, it reached a time limit, it was not used.
Cause = Literal["closed", "expired", "unused"]


class Session:
    """A live session. While it ends, its methods raise `SessionCompletedError`."""

    __slots__ = (
        "__weakref__",
        "_began",
        "_clock",
        "_core",
        "_counts",
        "_end",
        "_events",
        "_final_info",
        "_had_input",
        "_kept_input",
        "_launcher",
        "_ledger",
        "_limits",
        "_location",
        "_metrics",
        "_on_gone",
        "_pauses",
        "_pausing",
        "_progress",
        "_spans",
        "_streams",
        "_timeline",
        "_tracing",
        "count_in",
        "counts",
        "gone",
        "recording",
        "session_id",
        "warn",
    )

    def __init__(
        self,
        recording: Recording,
        *,
        location: str,
        limits: SessionLimits,
        launcher: DecoderLauncher,
        clock: Clock,
        backoff: Backoff,
        gone: Callable[["Session"], None],
        events: SessionEvents,
        metrics: Metrics,
        tracing: Tracing,
        node: str = "",
    ) -> None:
        """Start the session; ``gone`` is called when it is completed or released."""
        session_id = recording.manifest.session_id
        self.session_id = UUID(session_id)
        self.recording = recording
        self.gone = asyncio.Event()
        self._progress = ProgressSignal()
        writer = CheckpointWriter(
            recording,
            gave_up=weak_method(self._give_up),
            appended=self._progress.notify,
            warned=functools.partial(events.warned, session_id),
            backoff=backoff,
            metrics=metrics,
        )
        self._timeline = SessionTimeline(writer, clock)
        self._pauses = Pauses(writer, self._timeline)
        self._ledger = Ledger(writer, self._timeline)
        self._kept_input = KeptInput(writer, self._ledger, self._timeline.pace)
        self._spans = ConnectionSpans(self._timeline, node)
        self._metrics = metrics
        self._tracing = tracing
        self._counts = Counts(recording)
        self.counts = self._counts.read
        self.count_in = self._counts.count_in
        self.warn = self._ledger.warn
        self._core: SessionCore[Connection] = SessionCore(
            session_id,
            limits,
            last_stream=self._kept_input.last_number,
            now=clock.monotonic(),
        )
        self._location = location
        self._limits = limits
        self._launcher = launcher
        self._clock = clock
        # Within the process the age is monotonic: a clock that is set completes no session.
        age = clock.now() - recording.manifest.created_at
        self._began = clock.monotonic() - max(0.0, age.total_seconds())
        self._on_gone = gone
        self._events = events
        self._streams: dict[int, InputStream] = {}  # the streams that have not ended, by number
        self._pausing = asyncio.Lock()
        self._had_input = False  # a stream that has ended had any bytes
        self._end: asyncio.Task[SessionInfo | None] | None = None
        self._final_info: SessionInfo | None = None
        recording.watch(self._give_up)

    @property
    def state(self) -> SessionState:
        return self._core.state

    @property
    def connections(self) -> list[Connection]:
        return list(self._core.streams)

    @property
    def warning_count(self) -> int:
        """Return how often something could not be recorded so far."""
        return self.recording.checkpoint.warning_count

    @property
    def warnings(self) -> SessionWarnings:
        """Return what could not be recorded so far."""
        return self._counts.warnings

    def info(self) -> SessionInfo:
        """Return the current information about the session."""
        if self._final_info is not None:  # also while the clients get the final message
            return self._final_info
        return session_info(
            self.recording.manifest.advanced_to(self.recording.checkpoint),
            persisted_chunk_count=self.recording.persisted.chunk_count,
            unpersisted=self.recording.unpersisted,
            connections=len(self._core.streams),
            is_paused=self._pauses.is_paused,
            interruption=self._interruption(),
            location=self._location,
        )

    async def change(self, changes: DetailChanges) -> SessionInfo:
        """Change the details; return the information with them.

        Raises `SessionCompletedError` if the session ends meanwhile; then call it again on what
        follows, completed or taken over.
        """
        self._core.check_active()
        try:
            await self.recording.change(changes)
        except StorageError:
            self._core.check_active()
            raise
        return self.info()

    def _interruption(self) -> Interruption | None:
        """Return since when no client is connected; None while one is, or after the end."""
        idle_seconds = self._core.idle_seconds(self._clock.monotonic())
        if idle_seconds is None or self._core.state is not SessionState.ACTIVE:
            return None
        began = self._clock.now() - timedelta(seconds=idle_seconds)
        chunk_count = self.recording.checkpoint.chunk_count
        timeout = timedelta(seconds=self._core.idle_timeout_seconds(chunk_count))
        return Interruption(began, began + timeout)

    async def attach(self, connection: Connection) -> None:
        """Add ``connection`` with a new input stream. Raises `TooManyConnectionsError`."""
        await self._run(self._core.attach(connection))
        self._begin_span(connection)

    async def resume(self, connection: Connection) -> None:
        """Add ``connection`` and continue the stream of the one that dropped or is half open.

        A half-open connection is ended first. Raises `TooManyConnectionsError`.
        """
        while connection not in self._core.streams:
            await self._run(self._core.resume(connection))
        self._begin_span(connection)

    async def detach(self, connection: Connection) -> None:
        """Remove ``connection``. If its stream has input, the stream waits for resume."""
        stream = self._streams.get(self._core.streams.get(connection, -1))
        has_input = stream is not None and stream.has_input
        self._spans.end(connection)
        await self._run(
            self._core.detach(connection, has_input=has_input, now=self._clock.monotonic())
        )

    def receive_now(self, connection: Connection, chunk: bytes) -> bool:
        """Record ``chunk`` if nothing has to be awaited; on False, call :meth:`receive`."""
        return self._streams[self._core.stream_of(connection)].receive_now(chunk)

    async def receive(self, connection: Connection, chunk: bytes) -> None:
        """Record one chunk. After the return it survives a crash of the process.

        Raises :class:`DecodeError` for a chunk that is counted but cannot be decoded,
        `StorageUnavailableError` for a chunk that is not counted because it could not be written,
        :class:`SessionCompletedError` for a chunk after the end of the session.
        """
        stream = self._streams[self._core.stream_of(connection)]
        try:
            await stream.receive(chunk)
        except (DecodeError, SessionCompletedError):
            raise
        except Exception as error:
            # The state of the decoder is unknown, but the checkpoint is valid: release the
            # session, so that the next connection continues at the checkpoint.
            self._give_up(error)
            raise

    async def flush(self) -> None:
        """Return after all chunks received so far are persisted."""
        await self.recording.flush()

    @property
    def is_paused(self) -> bool:
        """Return whether chunks count and are not recorded."""
        return self._pauses.is_paused

    async def pause(self) -> None:
        """Record none of the chunks that follow. Idempotent.

        After the return, it holds for every later process too. Continues if the caller is
        cancelled. Raises `SessionCompletedError`, and `StorageUnavailableError` or
        :class:`DecoderLostError` if the session is not paused, or only this process knows of it.
        """
        await asyncio.shield(asyncio.create_task(self._pause(), name=f"pause-{self.session_id}"))

    async def _pause(self) -> None:
        async with self._pausing:
            self._core.check_active()
            await self.recording.require_release()
            self._pauses.is_paused = True  # first: what comes meanwhile is not recorded
            try:
                for stream in list(self._streams.values()):
                    await stream.pause()
                await self._pauses.begin()
            except SessionCompletedError:
                raise
            except Exception as error:
                # A stream is cut in part, but the checkpoint is valid: see `receive`.
                self._give_up(error)
                raise
            await self.recording.flush()

    async def resume_recording(self) -> None:
        """Record the chunks that follow. Idempotent. Raises as :meth:`pause` does."""
        async with self._pausing:
            self._core.check_active()
            await self._pauses.end()
            await self.recording.flush()

    async def mark(self, label: str) -> None:
        """Add a mark to the timeline. Raises `SessionCompletedError` and `TooManyMarksError`."""
        self._core.check_active()
        await self._timeline.mark(label)

    async def timeline(self) -> Timeline:
        """Return the timeline so far, with what open connections have sent."""
        return self._spans.add_to(await self._timeline.read())

    def _begin_span(self, connection: Connection) -> None:
        self._spans.begin(connection, self._streams[self._core.streams[connection]])

    async def warn_of_damage(self) -> None:
        """Warn of what the decoders have reported since the last chunk."""
        for stream in list(self._streams.values()):
            await stream.warn_of_damage()

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Count a listener while it is connected. Raises `TooManyConnectionsError`."""
        self._core.listen()
        try:
            yield
        finally:
            self._core.stop_listening()

    async def wait_for_more(self, pcm_bytes: int) -> None:
        """Return after more than ``pcm_bytes`` are recorded, or the session has ended."""
        while not self.gone.is_set() and self.recording.checkpoint.pcm_bytes <= pcm_bytes:
            await self._progress.wait()

    async def restore(self) -> None:
        """Continue the streams that were open at the recording's last checkpoint."""
        await self._kept_input.restore()
        await self._timeline.restore()
        self._core.skip_numbers(self._kept_input.last_number)
        for saved in self.recording.checkpoint.streams:
            await self._run(self._core.restore(saved.number))
            self._open_stream(saved.number)
            kept_input = self.recording.read_input(saved.number)
            await self._streams[saved.number].restore(saved, kept_input)

    def is_over(self) -> bool:
        """Return whether the session has reached a time limit and must be completed."""
        counts = self.counts()
        now = self._clock.monotonic()
        return self._core.is_over(
            now,
            age_seconds=now - self._began,
            duration_seconds=counts.duration_seconds,
            chunk_count=counts.chunk_count,
        )

    def is_unused(self) -> bool:
        """Return whether the session may give way to a new session of the same user."""
        now, chunk_count = self._clock.monotonic(), self.counts().chunk_count
        return self._core.is_unused(now, chunk_count=chunk_count)

    async def end_overdue(self) -> None:
        """End connections without a message, and the waiting stream, after the timeout."""
        last_received = {each: each.last_received for each in self._core.streams}
        await self._run(self._core.overdue(self._clock.monotonic(), last_received))

    async def close(self, cause: Cause = "closed") -> SessionInfo | None:
        """Complete the recording; return its final information. ``cause`` is for the metrics.

        Idempotent. Continues if the caller is cancelled. Returns None if the session was being
        released already; then it is not completed.
        """
        await self._notify_connections(lambda connection: connection.hand_over())
        return await self._end_once(lambda: self._complete(cause))

    async def delete(self) -> None:
        """Release the recording before it is deleted; clients get `SessionDeletedError`."""
        await self._abandon(SessionDeletedError(str(self.session_id)))

    async def release(self) -> None:
        """Release the recording, so that this or another process can open it again."""
        await self._abandon(None)

    async def _run(self, actions: Iterable[Action[Connection]]) -> None:
        for action in actions:
            match action:
                case OpenStream(number):
                    self._open_stream(number)
                case EndStream(number):
                    await self._end_stream(number)
                case Replace(connection):
                    await connection.end(ConnectionReplacedError())
                    await connection.wait_received()
                case CloseIdle(connection):
                    seconds = self._limits.connection_timeout_seconds
                    await connection.end(ConnectionIdleError(seconds))

    def _open_stream(self, number: int) -> None:
        manifest = self.recording.manifest
        if len(self._core.streams) <= 1:
            self._timeline.begin_stream(number)
        files = StreamFiles(
            number,
            cast("InputKind", manifest.format),
            manifest.pcm_format,
            launcher=self._launcher,
            ledger=self._ledger,
            kept_input=self._kept_input,
            next_number=self._core.next_number,
        )
        self._streams[number] = InputStream(
            files,
            manifest.pcm_format,
            ledger=self._ledger,
            kept_input=self._kept_input,
            pauses=self._pauses,
        )

    async def _end_stream(self, number: int) -> None:
        stream = self._streams.get(number)
        if stream is None:
            return
        try:
            await stream.end()
        except Exception as error:
            self._give_up(error)
            raise
        self._had_input |= stream.has_input
        self._streams.pop(number, None)

    async def _end_once(
        self, end: Callable[[], Coroutine[Any, Any, SessionInfo | None]]
    ) -> SessionInfo | None:
        if self._core.begin_end():
            self._end = asyncio.create_task(end(), name=f"end-{self.session_id}")
        assert self._end is not None
        return await asyncio.shield(self._end)

    async def _abandon(self, error: Exception | None) -> None:
        """Release the recording. If it is being completed, abort that unless it ends soon."""
        if self._end is None:
            await self._end_once(lambda: self._release(error))
            return
        await asyncio.wait([self._end], timeout=_COMPLETION_SECONDS)
        for stream in list(self._streams.values()):
            await stream.abort()
        await asyncio.wait([self._end])

    async def _complete(self, cause: Cause) -> SessionInfo:
        log_context.session_id.set(str(self.session_id))
        try:
            with self._tracing.span("complete session", str(self.session_id)):
                while self._streams:  # a chunk that is being recorded may open one more
                    await self._end_stream(min(self._streams))
                await self._end_timeline()
                await self._warn_if_empty()
                async with self._events.completing(str(self.session_id)):
                    manifest = await self._ledger.complete(self._clock.now())
        except Exception as error:
            await self._release(error)
            raise
        info = self._final_info = session_info(manifest, location=self._location)
        await self._notify_connections(lambda connection: connection.end_completed(info))
        self._leave(SessionState.COMPLETED, cause)
        return info

    async def _end_timeline(self) -> None:
        self._spans.end_all()
        await self._pauses.end()
        self._timeline.end()

    async def _warn_if_empty(self) -> None:
        """Warn if there was input, nothing was recorded, and no other warning says so."""
        if self._had_input and not self.recording.checkpoint.pcm_bytes and not self.warnings.total:
            cause = "only a header, a part of a frame, or chunks of a pause"
            await self.warn("no_audio", f"the input has no audio: {cause}")

    async def _release(self, error: Exception | None) -> None:
        log_context.session_id.set(str(self.session_id))
        try:
            if error is not None:
                await self._notify_connections(lambda connection: connection.end(error))
            for number in sorted(self._streams):
                await self._streams[number].abort()
            self._spans.end_all()
            self._timeline.end()
            await self.recording.release()
        except Exception:
            # The next owner continues at the last checkpoint.
            logger.exception("%s: failed to release the session", self.session_id)
        finally:
            self._leave(SessionState.RELEASED, _cause_of(error))

    async def _notify_connections(
        self, message: Callable[[Connection], Coroutine[Any, Any, None]]
    ) -> None:
        results = await asyncio.gather(*map(message, self.connections), return_exceptions=True)
        for failure in filter(None, results):
            logger.error("%s: failed to notify a connection", self.session_id, exc_info=failure)

    def _leave(self, state: SessionState, cause: str) -> None:
        self._core.end(state)
        self._metrics.sessions_ended.add(cause)
        if cause == "fenced":
            self._metrics.fenced.inc()
        self._streams.clear()
        self.recording.watch(lambda _: None)  # and do not keep the session in memory
        self._on_gone(self)
        self.gone.set()
        self._progress.notify()

    def _give_up(self, error: Exception) -> None:
        if self._core.begin_end():
            self._end = asyncio.create_task(self._release(error), name=f"end-{self.session_id}")


def _cause_of(error: Exception | None) -> str:
    """Return why a session was released, for the metrics."""
    match error:
        case None:
            return "released"
        case SessionDeletedError():
            return "deleted"
        case FencedError():
            return "fenced"
        case _:
            return "failed"
