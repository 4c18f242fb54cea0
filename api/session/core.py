"""The state machine of one session, without I/O: it gets events and returns actions.

It decides which connection feeds which input stream, when streams end, and which limits are
reached. It reads no clock and uses no socket, task or file: `api.session.session` carries out its
actions. A connection is any hashable value; a stream is a number.
"""

import enum
from collections.abc import Mapping
from typing import Generic, TypeAlias, TypeVar

import msgspec

from api.wire.errors import SessionCompletedError, TooManyConnectionsError

C = TypeVar("C")


class SessionState(enum.Enum):
    """ACTIVE, then ENDING, then COMPLETED or RELEASED."""

    ACTIVE = "active"
    ENDING = "ending"  # accepts no more chunks
    COMPLETED = "completed"
    RELEASED = "released"  # not completed: this or another process can open it again


_ACTIVE = SessionState.ACTIVE  # looking up a member takes as long as the rest of `stream_of`


class SessionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one session."""

    max_connections: int = 5
    connection_timeout_seconds: float = 300.0
    session_idle_timeout_seconds: float = 3600.0
    max_session_duration_seconds: float = 86400.0


# A session that its client has created and not used for so long gives way to the next one.
_UNUSED_SECONDS = 60.0


class OpenStream(msgspec.Struct, frozen=True):
    """Open the input stream ``number``. The shell does it before it awaits anything."""

    number: int


class EndStream(msgspec.Struct, frozen=True):
    """Record the rest of the stream and remove it."""

    number: int


class Replace(msgspec.Struct, Generic[C], frozen=True):
    """End this half-open connection; after it has detached, call `SessionCore.resume` again."""

    connection: C


class CloseIdle(msgspec.Struct, Generic[C], frozen=True):
    """End this connection: it sent no message within the timeout."""

    connection: C


Action: TypeAlias = OpenStream | EndStream | Replace[C] | CloseIdle[C]


class SessionCore(Generic[C]):
    """The connections and streams of one session. An event that raises changes nothing."""

    __slots__ = (
        "_idle_since",
        "_last_stream",
        "_limits",
        "_listeners",
        "_session_id",
        "_waiting_since",
        "state",
        "streams",
        "waiting",
    )

    def __init__(
        self, session_id: str, limits: SessionLimits, *, last_stream: int, now: float
    ) -> None:
        """Start in state ACTIVE; ``last_stream`` is the highest stream number used so far."""
        self.state = SessionState.ACTIVE
        self.streams: dict[C, int] = {}  # by connection, in the order of joining
        self.waiting: int | None = None  # the stream of a dropped connection, which can be resumed
        self._session_id = session_id
        self._limits = limits
        self._last_stream = last_stream
        self._listeners = 0
        self._idle_since = now  # when the last connection left
        self._waiting_since = now

    def attach(self, connection: C) -> list[Action[C]]:
        """Add ``connection`` with a new stream; end the waiting stream.

        Raises `SessionCompletedError` or `TooManyConnectionsError`.
        """
        self.check_active()
        self._check_room()
        return [self._open_for(connection), *self.end_waiting()]

    def resume(self, connection: C) -> list[Action[C]]:
        """Add ``connection`` with the stream of the connection that dropped or is half open.

        Raises `SessionCompletedError` or `TooManyConnectionsError`.
        """
        self.check_active()
        if self.waiting is None and self.streams:
            return [Replace(list(self.streams)[-1])]
        self._check_room()
        if self.waiting is None:
            return [self._open_for(connection)]
        self.streams[connection], self.waiting = self.waiting, None
        return []

    def detach(self, connection: C, *, has_input: bool, now: float) -> list[Action[C]]:
        """Remove ``connection``. If its stream ``has_input``, the stream waits for resume."""
        number = self.streams.pop(connection, None)
        if number is None or self.state is not SessionState.ACTIVE:
            return []
        self._idle_since = now
        if not has_input:
            return [EndStream(number)]
        actions = self.end_waiting()
        self.waiting, self._waiting_since = number, now
        return actions

    def stream_of(self, connection: C) -> int:
        """Return the stream for the next chunk of ``connection``.

        Raises `SessionCompletedError`.
        """
        if self.state is _ACTIVE:
            try:
                return self.streams[connection]
            except KeyError:
                pass
        raise SessionCompletedError(self._session_id)

    def next_number(self) -> int:
        """Return a number that no stream has had."""
        self._last_stream += 1
        return self._last_stream

    def skip_numbers(self, last_stream: int) -> None:
        """Give the numbers up to ``last_stream`` to no new stream."""
        self._last_stream = max(self._last_stream, last_stream)

    def restore(self, number: int) -> list[Action[C]]:
        """Let the stream ``number``, open at the last checkpoint, wait for resume.

        Only the latest one waits; a stream that waited before ends.
        """
        actions = self.end_waiting()
        self.waiting = number
        return actions

    def end_waiting(self) -> list[Action[C]]:
        """End the waiting stream, if there is one."""
        number, self.waiting = self.waiting, None
        return [] if number is None else [EndStream(number)]

    def begin_end(self) -> bool:
        """Accept no more chunks. Return False if the session was ending already."""
        if self.state is not SessionState.ACTIVE:
            return False
        self.state = SessionState.ENDING
        return True

    def end(self, state: SessionState) -> None:
        """Enter the final ``state``: ``COMPLETED`` or ``RELEASED``."""
        self.state = state
        self.streams.clear()
        self.waiting = None

    def listen(self) -> None:
        """Add one listener. Raises :class:`TooManyConnectionsError`."""
        if self._listeners >= self._limits.max_connections:
            raise TooManyConnectionsError(self._limits.max_connections)
        self._listeners += 1

    def stop_listening(self) -> None:
        self._listeners -= 1

    def is_over(
        self, now: float, *, age_seconds: float, duration_seconds: float, chunk_count: int
    ) -> bool:
        """Return whether a time limit is reached: maximum age, maximum audio, or idle time."""
        if max(age_seconds, duration_seconds) > self._limits.max_session_duration_seconds:
            return True
        idle_seconds = self.idle_seconds(now)
        return idle_seconds is not None and idle_seconds > self.idle_timeout_seconds(chunk_count)

    def idle_seconds(self, now: float) -> float | None:
        """Return for how long no client has been connected; None while one is."""
        return None if self.streams else now - self._idle_since

    def idle_timeout_seconds(self, chunk_count: int) -> float:
        """Return for how long a session with ``chunk_count`` chunks waits for a client."""
        limits = self._limits
        if chunk_count:
            return limits.session_idle_timeout_seconds
        # It has no audio, but counts against MAX_CONCURRENT_SESSIONS.
        return min(limits.session_idle_timeout_seconds, limits.connection_timeout_seconds)

    def is_unused(self, now: float, *, chunk_count: int) -> bool:
        """Return whether the session has no chunk, and has had no connection for a minute."""
        return not self.streams and not chunk_count and now - self._idle_since > _UNUSED_SECONDS

    def overdue(self, now: float, last_received: Mapping[C, float]) -> list[Action[C]]:
        """End connections without a message, and the waiting stream, after the timeout."""
        timeout_seconds = self._limits.connection_timeout_seconds
        idle: list[Action[C]] = [
            CloseIdle(connection)
            for connection, received_at in last_received.items()
            if now - received_at > timeout_seconds
        ]
        if now - self._waiting_since > timeout_seconds:
            idle += self.end_waiting()
        return idle

    def check_active(self) -> None:
        """Raise :class:`SessionCompletedError` if the session accepts no more chunks."""
        if self.state is not SessionState.ACTIVE:
            raise SessionCompletedError(self._session_id)

    def _open_for(self, connection: C) -> OpenStream:
        self.streams[connection] = self.next_number()
        return OpenStream(self._last_stream)

    def _check_room(self) -> None:
        if len(self.streams) >= self._limits.max_connections:
            raise TooManyConnectionsError(self._limits.max_connections)
