"""What each open connection has sent, for the timeline of its session."""

from typing import NamedTuple

import msgspec

from api.session.connection import Connection
from api.session.input_stream import InputStream
from api.session.session_timeline import SessionTimeline
from storage.timeline import Timeline


class _Span(NamedTuple):
    """A connection in the timeline, and the counts of its stream when it began."""

    number: int
    stream: InputStream
    recorded_bytes: int
    chunks: int
    received_bytes: int

    @classmethod
    def begin(cls, number: int, stream: InputStream) -> "_Span":
        counts = stream.recorded_bytes, stream.chunks, stream.received_bytes
        return cls(number, stream, *counts)

    def counts(self) -> tuple[int, int, int]:
        """Return the bytes of PCM, the chunks and their bytes since the connection began."""
        stream = self.stream
        return (
            stream.recorded_bytes - self.recorded_bytes,
            stream.chunks - self.chunks,
            stream.received_bytes - self.received_bytes,
        )


class ConnectionSpans:
    """Notes the begin and the end of connections to one ``node`` in the timeline."""

    def __init__(self, timeline: SessionTimeline, node: str) -> None:
        self._timeline = timeline
        self._node = node
        self._open: dict[Connection, _Span] = {}

    def begin(self, connection: Connection, stream: InputStream) -> None:
        """Note that ``connection`` begins, and sends ``stream``."""
        number = self._timeline.connected(self._node)
        if number is not None:
            self._open[connection] = _Span.begin(number, stream)

    def end(self, connection: Connection) -> None:
        """Note that ``connection`` ends, and what it has sent. Idempotent."""
        if (span := self._open.pop(connection, None)) is not None:
            self._timeline.disconnected(span.number, *span.counts())

    def end_all(self) -> None:
        """Note that all open connections end."""
        for connection in list(self._open):
            self.end(connection)

    def add_to(self, timeline: Timeline) -> Timeline:
        """Return the timeline with what open connections have sent so far."""
        connections = list(timeline.connections)
        for span in self._open.values():
            if span.number < len(connections):
                pcm_bytes, chunks, received_bytes = span.counts()
                connections[span.number] = msgspec.structs.replace(
                    connections[span.number],
                    frames=self._timeline.pcm_format.frames(pcm_bytes),
                    chunks=chunks,
                    bytes=received_bytes,
                )
        return msgspec.structs.replace(timeline, connections=tuple(connections))
