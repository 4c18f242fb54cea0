"""The chunks and messages that a session must send, as a pure object: no socket, no clock.

Chunks go in with :meth:`Delivery.add` and are kept until they are persisted. The messages of the
server go in with :meth:`receive_greeting` and :meth:`receive_message`, and :meth:`next_message`
returns the next message to send. Each new connection begins with a greeting, and sending continues
with the first chunk that the server lacks.
"""

from collections.abc import Mapping
from typing import Any

from sercuescribe_client.errors import ChunksLostError, SessionSharedError
from sercuescribe_client.models import SessionInfo, SessionWarning
from sercuescribe_client.verification import SentInput

FLUSH_MESSAGE = '{"type":"control","action":"flush"}'
CLOSE_MESSAGE = '{"type":"control","action":"close_session"}'
STATUS_MESSAGE = '{"type":"control","action":"status"}'

# Without the overhead, any number of empty chunks would fit.
_CHUNK_OVERHEAD_BYTES = 100


class Delivery:
    """The unpersisted chunks of a session, its counts, and the next message to send."""

    def __init__(self, *, max_unpersisted_bytes: int, window_bytes: int) -> None:
        self.session_id: str | None = None
        self.chunk_count = 0
        self.acked = 0
        self.persisted = 0
        self.duration_seconds = 0.0
        self.warnings: tuple[SessionWarning, ...] = ()
        self.is_paused = False  # as far as the service has told it
        self.unpersisted_bytes = 0
        self.is_closing = False
        self.is_completed = False
        self.sent_input = SentInput()
        self.has_sent_all = False  # no other client has sent to the session
        self.receipt_digest: str | None = None  # of the final message
        self._max_unpersisted_bytes = max_unpersisted_bytes
        self._window_bytes = window_bytes
        self._unpersisted_chunks: dict[int, bytes] = {}
        self._first_unpersisted = 0  # the number of this client's first unpersisted chunk
        self._next_to_send = 0  # the number of the next chunk to send
        self._in_flight_bytes = 0
        self._flush_target = 0
        self._is_flush_sent = False
        self._is_close_sent = False

    def has_room(self, size_bytes: int) -> bool:
        """Return whether a chunk may be added. The first one may be of any size."""
        return not self._unpersisted_chunks or (
            self.unpersisted_bytes + size_bytes + _CHUNK_OVERHEAD_BYTES
            <= self._max_unpersisted_bytes
        )

    def add(self, chunk: bytes) -> None:
        self._unpersisted_chunks[self.chunk_count] = chunk
        self.sent_input.add(chunk)
        self.chunk_count += 1
        self.unpersisted_bytes += len(chunk) + _CHUNK_OVERHEAD_BYTES

    def flush(self) -> int:
        """Request that all chunks so far are persisted; return the count to wait for."""
        self._flush_target = self.chunk_count
        return self._flush_target

    def close(self) -> None:
        """Complete the session once everything is sent."""
        self.is_closing = True

    def receive_greeting(self, message: Mapping[str, Any]) -> None:
        """Begin a connection: continue with the chunk that the server names."""
        count = int(message["chunk_count"])
        if self.session_id is None:
            self._first_unpersisted = self.chunk_count = count
            self.has_sent_all = not count
        self.session_id = str(message["session_id"])
        if count < self._first_unpersisted:
            raise ChunksLostError(
                "chunks_lost",
                f"the service lost chunks {count} to {self._first_unpersisted - 1},"
                " which this client does not have",
                self.session_id,
            )
        self._check_count(count, self.chunk_count)
        self.acked = self._next_to_send = count
        self._in_flight_bytes = 0
        self._is_flush_sent = self._is_close_sent = False
        self.is_paused = message.get("paused", False)
        self._update_counts(message)

    def receive_message(self, message: Mapping[str, Any]) -> None:
        """Take the counts of any later message: an acknowledgement or the answer to a control."""
        count = int(message["chunk_count"])
        self._check_count(count, self._next_to_send)
        for number in range(self.acked, count):
            self._in_flight_bytes -= len(self._unpersisted_chunks[number])
        self.acked = max(self.acked, count)
        if message.get("action") == "flush":
            self._is_flush_sent = False
        if message["type"] == "chunk":
            self.is_paused = message.get("paused", False)
        self._update_counts(message)
        if message["status"] == "completed":
            self.is_completed = True
            self.receipt_digest = message.get("receipt_digest")

    def mark_completed(self, info: SessionInfo) -> None:
        """Take the counts of a session whose final message was lost."""
        self._check_count(info.total_chunks, self.chunk_count)
        self.acked, self.persisted = info.total_chunks, info.persisted_chunk_count
        self.duration_seconds, self.warnings = info.duration_seconds, info.warnings
        self.is_completed = True

    def next_message(self) -> bytes | str | None:
        """Return the message to send now and count it as sent; None if there is none."""
        if self._should_flush():
            self._is_flush_sent = True
            return FLUSH_MESSAGE
        if self._next_to_send < self.chunk_count:
            return self._next_chunk()
        if self.is_closing and not self._is_close_sent:
            self._is_close_sent = True
            return CLOSE_MESSAGE
        return None

    def has_message(self) -> bool:
        return (
            self._should_flush()
            or (self._next_to_send < self.chunk_count and self._fits_window())
            or (
                self.is_closing
                and not self._is_close_sent
                and self._next_to_send == self.chunk_count
            )
        )

    def progress_text(self) -> str:
        return f"{self.acked} of {self.chunk_count} chunks acknowledged, {self.persisted} persisted"

    def _should_flush(self) -> bool:
        """Return whether a flush was requested or more than half of the room is used."""
        is_requested = self.persisted < self._flush_target <= self._next_to_send
        is_half_full = (
            self.unpersisted_bytes * 2 > self._max_unpersisted_bytes
            and self._next_to_send > self.persisted
        )
        return not self._is_flush_sent and (is_requested or is_half_full)

    def _fits_window(self) -> bool:
        size_bytes = len(self._unpersisted_chunks[self._next_to_send])
        return (
            self._next_to_send == self.acked
            or self._in_flight_bytes + size_bytes <= self._window_bytes
        )

    def _next_chunk(self) -> bytes | None:
        if not self._fits_window():
            return None
        chunk = self._unpersisted_chunks[self._next_to_send]
        self._next_to_send += 1
        self._in_flight_bytes += len(chunk)
        return chunk

    def _update_counts(self, message: Mapping[str, Any]) -> None:
        self.duration_seconds = float(message["duration_seconds"])
        self.persisted = max(self.persisted, int(message["persisted_chunk_count"]))
        if "warnings" in message:
            self.warnings = tuple(map(SessionWarning.from_json, message["warnings"]))
        while self._first_unpersisted < min(self.persisted, self.chunk_count):
            chunk = self._unpersisted_chunks.pop(self._first_unpersisted)
            self.unpersisted_bytes -= len(chunk) + _CHUNK_OVERHEAD_BYTES
            self._first_unpersisted += 1

    def _check_count(self, count: int, sent_count: int) -> None:
        """Raise ``SessionSharedError`` if the session has more chunks than this client sent."""
        if count > sent_count:
            raise SessionSharedError(
                "session_shared",
                f"the session has {count} chunks, but this client has sent {sent_count};"
                " another client sends to the session",
                self.session_id,
            )
