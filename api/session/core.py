"""The state machine of one session, without I/O: events in, actions out.

It decides which connection feeds which input stream, which streams end and when, and which limits
are reached. It reads no clock and knows no socket, task or file: `api.session.session` carries out
its actions. A connection is any hashable value; a stream is its number.
"""

import enum
from collections.abc import Mapping
from typing import Generic, TypeAlias, TypeVar

import msgspec

from api.wire.errors import SessionCompletedError, TooManyConnectionsError

C = TypeVar("C")


class SessionState(enum.Enum):
    """A session goes from the first state to the second, and ends in one of the last two."""

    ACTIVE = "active"
    ENDING = "ending"  # no chunk is taken any more
    COMPLETED = "completed"
    RELEASED = "released"  # not complete: it can be opened again, here or on another node


class SessionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one session may take."""

    max_connections: int = 5
    connection_timeout_seconds: float = 300.0
    session_idle_timeout_seconds: float = 3600.0
    max_session_duration_seconds: float = 86400.0


class OpenStream(msgspec.Struct, frozen=True):
    """Begin the input stream of this number. Nothing is awaited before it is there."""

    number: int


class EndStream(msgspec.Struct, frozen=True):
    """Record the rest of this stream, and forget it."""

    number: int


class Replace(msgspec.Struct, Generic[C], frozen=True):
    """End this connection, which is half open; when it has been detached, ask again."""

    connection: C


class CloseIdle(msgspec.Struct, Generic[C], frozen=True):
    """End this connection: it has been silent for too long."""

    connection: C


Action: TypeAlias = OpenStream | EndStream | Replace[C] | CloseIdle[C]


class SessionCore(Generic[C]):
    """The connections and streams of one session. A refused event raises and changes nothing."""

    def __init__(
        self, session_id: str, limits: SessionLimits, *, last_stream: int, now: float
    ) -> None:
        """``last_stream`` is the highest number that was ever given to a stream of the session."""
        self.state = SessionState.ACTIVE
        self.streams: dict[C, int] = {}  # of each connection, in the order in which they came
        self.waiting: int | None = None  # the stream of a dropped connection, to be resumed
        self._session_id = session_id
        self._limits = limits
        self._last_stream = last_stream
        self._listeners = 0
        self._idle_since = now  # when a connection left last
        self._waiting_since = now

    def attach(self, connection: C) -> list[Action[C]]:
        """Give ``connection`` a new stream; the one that waits will not be resumed."""
        self.check_active()
        self._check_room()
        return [self._open_for(connection), *self.end_waiting()]

    def resume(self, connection: C) -> list[Action[C]]:
        """Give ``connection`` the stream of the one that dropped, or that is half open."""
        self.check_active()
        if self.waiting is None and self.streams:
            return [Replace(list(self.streams)[-1])]
        self._check_room()
        if self.waiting is None:
            return [self._open_for(connection)]
        self.streams[connection], self.waiting = self.waiting, None
        return []

    def detach(self, connection: C, *, has_input: bool, now: float) -> list[Action[C]]:
        """``connection`` is gone. Its stream waits to be resumed if it ``has_input``."""
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
        """Return the stream that takes the next chunk of ``connection``."""
        self.check_active()
        try:
            return self.streams[connection]
        except KeyError:
            raise SessionCompletedError(self._session_id) from None

    def begin_file(self, connection: C) -> list[Action[C]]:
        """``connection`` begins a new file: its stream ends and the next one starts."""
        ended = self.stream_of(connection)
        return [self._open_for(connection), EndStream(ended)]

    def restore(self, number: int) -> list[Action[C]]:
        """A stream that was open when the last writer died waits to be resumed: the latest one."""
        actions = self.end_waiting()
        self.waiting = number
        return actions

    def end_waiting(self) -> list[Action[C]]:
        """End the stream that waits, if there is one."""
        number, self.waiting = self.waiting, None
        return [] if number is None else [EndStream(number)]

    def begin_end(self) -> bool:
        """Take no more chunks. Return False if the session was ending already."""
        if self.state is not SessionState.ACTIVE:
            return False
        self.state = SessionState.ENDING
        return True

    def end(self, state: SessionState) -> None:
        """The session is over: ``COMPLETED`` or ``RELEASED``."""
        self.state = state
        self.streams.clear()
        self.waiting = None

    def listen(self) -> None:
        """Count a listener. Raises :class:`TooManyConnectionsError`."""
        if self._listeners >= self._limits.max_connections:
            raise TooManyConnectionsError(self._limits.max_connections)
        self._listeners += 1

    def stop_listening(self) -> None:
        self._listeners -= 1

    def is_over(
        self, now: float, *, age_seconds: float, duration_seconds: float, chunk_count: int
    ) -> bool:
        """Return whether the session is to be completed: too old, too long, or forgotten."""
        limits = self._limits
        if max(age_seconds, duration_seconds) > limits.max_session_duration_seconds:
            return True
        patience_seconds = limits.session_idle_timeout_seconds
        if not chunk_count:  # it takes the place of another session, and would lose nothing
            patience_seconds = min(patience_seconds, limits.connection_timeout_seconds)
        return not self.streams and now - self._idle_since > patience_seconds

    def overdue(self, now: float, last_received: Mapping[C, float]) -> list[Action[C]]:
        """Return what has been silent for too long: connections, and the stream that waits."""
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
        """Raise :class:`SessionCompletedError` if the session takes no more chunks."""
        if self.state is not SessionState.ACTIVE:
            raise SessionCompletedError(self._session_id)

    def _open_for(self, connection: C) -> OpenStream:
        self._last_stream += 1
        self.streams[connection] = self._last_stream
        return OpenStream(self._last_stream)

    def _check_room(self) -> None:
        if len(self.streams) >= self._limits.max_connections:
            raise TooManyConnectionsError(self._limits.max_connections)
