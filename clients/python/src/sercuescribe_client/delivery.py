"""What a session has to send, as a pure object: no socket, no clock.

Chunks go in with :meth:`Delivery.add` and are kept until they are persisted. The messages of the
server go in with :meth:`greeted` and :meth:`heard`, and :meth:`next_message` gives what to send
next. A new connection begins with another greeting, and so with the first chunk the server lacks.
"""

from collections.abc import Mapping
from typing import Any

from sercuescribe_client.errors import ChunksLostError, SessionSharedError

FLUSH = '{"type":"control","action":"flush"}'
CLOSE = '{"type":"control","action":"close_session"}'
STATUS = '{"type":"control","action":"status"}'

# An empty chunk counts, so keeping it must cost something.
_CHUNK_OVERHEAD_BYTES = 100


class Delivery:
    def __init__(self, *, max_unpersisted_bytes: int, window_bytes: int) -> None:
        self.session_id: str | None = None
        self.chunk_count = 0
        self.acked = 0
        self.persisted = 0
        self.duration_seconds = 0.0
        self.kept_bytes = 0
        self.is_closing = False
        self.is_completed = False
        self._max_kept_bytes = max_unpersisted_bytes
        self._window_bytes = window_bytes
        self._kept: dict[int, bytes] = {}
        self._first = 0  # the number of the first chunk that is ours and not persisted
        self._next = 0  # the number of the next one to send
        self._in_flight_bytes = 0
        self._flush_target = 0
        self._flush_asked = False
        self._close_asked = False

    def has_room(self, size_bytes: int) -> bool:
        """Whether a chunk may be added. One chunk may always be kept, however large."""
        return not self._kept or (
            self.kept_bytes + size_bytes + _CHUNK_OVERHEAD_BYTES <= self._max_kept_bytes
        )

    def add(self, chunk: bytes) -> None:
        self._kept[self.chunk_count] = chunk
        self.chunk_count += 1
        self.kept_bytes += len(chunk) + _CHUNK_OVERHEAD_BYTES

    def flush(self) -> int:
        """Have everything that was added persisted; gives the count that says it is."""
        self._flush_target = self.chunk_count
        return self._flush_target

    def close(self) -> None:
        """Complete the session once everything is sent."""
        self.is_closing = True

    def greeted(self, message: Mapping[str, Any]) -> None:
        """A connection is open: go on from the chunk that the server names."""
        count = int(message["chunk_count"])
        if self.session_id is None:
            self._first = self.chunk_count = count
        self.session_id = str(message["session_id"])
        if count < self._first:
            raise ChunksLostError(
                "chunks_lost",
                f"the service lost chunks {count} to {self._first - 1}, from before this client",
                self.session_id,
            )
        self._must_be_ours(count, self.chunk_count)
        self.acked = self._next = count
        self._in_flight_bytes = 0
        self._flush_asked = self._close_asked = False
        self._take_counts(message)

    def heard(self, message: Mapping[str, Any]) -> None:
        """Any later message that carries counts: an acknowledgement, or a control's answer."""
        count = int(message["chunk_count"])
        self._must_be_ours(count, self._next)
        for number in range(self.acked, count):
            self._in_flight_bytes -= len(self._kept[number])
        self.acked = max(self.acked, count)
        if message.get("action") == "flush":
            self._flush_asked = False
        self._take_counts(message)
        if message["status"] == "completed":
            self.is_completed = True

    def found_completed(self, chunk_count: int, persisted: int, duration_seconds: float) -> None:
        """The session is completed, which its last message did not get through to say."""
        self._must_be_ours(chunk_count, self.chunk_count)
        self.acked, self.persisted = chunk_count, persisted
        self.duration_seconds = duration_seconds
        self.is_completed = True

    def next_message(self) -> bytes | str | None:
        """The message to send now, which counts as sent; None while there is nothing to say."""
        if self._wants_flush():
            self._flush_asked = True
            return FLUSH
        if self._next < self.chunk_count:
            return self._next_chunk()
        if self.is_closing and not self._close_asked:
            self._close_asked = True
            return CLOSE
        return None

    def has_message(self) -> bool:
        return (
            self._wants_flush()
            or (self._next < self.chunk_count and self._fits_window())
            or (self.is_closing and not self._close_asked and self._next == self.chunk_count)
        )

    def how_far(self) -> str:
        return f"{self.acked} of {self.chunk_count} chunks acknowledged, {self.persisted} persisted"

    def _wants_flush(self) -> bool:
        """Somebody waits for it, or what is kept takes more than half of the room."""
        is_asked_for = self.persisted < self._flush_target <= self._next
        is_full = self.kept_bytes * 2 > self._max_kept_bytes and self._next > self.persisted
        return not self._flush_asked and (is_asked_for or is_full)

    def _fits_window(self) -> bool:
        size_bytes = len(self._kept[self._next])
        return self._next == self.acked or self._in_flight_bytes + size_bytes <= self._window_bytes

    def _next_chunk(self) -> bytes | None:
        if not self._fits_window():
            return None
        chunk = self._kept[self._next]
        self._next += 1
        self._in_flight_bytes += len(chunk)
        return chunk

    def _take_counts(self, message: Mapping[str, Any]) -> None:
        self.duration_seconds = float(message["duration_seconds"])
        self.persisted = max(self.persisted, int(message["persisted_chunk_count"]))
        while self._first < min(self.persisted, self.chunk_count):
            self.kept_bytes -= len(self._kept.pop(self._first)) + _CHUNK_OVERHEAD_BYTES
            self._first += 1

    def _must_be_ours(self, count: int, most: int) -> None:
        if count > most:
            raise SessionSharedError(
                "session_shared",
                f"the session has {count} chunks, and this client has sent {most}",
                self.session_id,
            )
