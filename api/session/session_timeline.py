"""The timeline of one session: its entries are written with the checkpoints."""

import logging
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from api.clock import Clock
from api.session.checkpoint_writer import CheckpointWriter
from api.session.pace import Pace
from api.wire.errors import TooManyMarksError
from storage import threads, timeline
from storage.checkpoint import TIMELINE
from storage.errors import BadObjectError, StorageError

logger = logging.getLogger(__name__)


class TimelineClock(NamedTuple):
    """Unix time for the timeline: ``epoch`` plus ``monotonic``.

    Within a process the timeline has monotonic time: a clock that is set distorts no length.
    """

    monotonic: Callable[[], float]
    epoch: float

    @classmethod
    def of(cls, clock: Clock) -> "TimelineClock":
        return cls(clock.monotonic, clock.now().timestamp() - clock.monotonic())


class SessionTimeline:
    """Notes what happens when, and reads it."""

    def __init__(self, writer: CheckpointWriter, clock: Clock) -> None:
        self.clock = TimelineClock.of(clock)
        self.pcm_format = writer.recording.manifest.pcm_format
        self.pace = Pace(self.pcm_format.bytes_per_second)
        self._writer = writer
        self._entries = writer.timeline_entries
        self._recording = writer.recording

    def now(self) -> float:
        """Return the Unix time for the timeline."""
        return self.clock.monotonic() + self.clock.epoch

    def note(self, entry: timeline.Entry) -> bool:
        """Add an entry to the timeline: now if that is possible, else with the next write.

        Return False if the timeline does not list it, and counts it only.
        """
        if not self._entries.add(entry):
            return False
        self._write()
        return True

    def follow_pace(self, number: int, before_bytes: int, now: float) -> None:
        """Note how late the PCM of the stream is that came after ``before_bytes``."""
        pace = self.pace
        if number != pace.number:
            pace.switch(number, before_bytes)
        lead = self._writer.at * pace.seconds_per_byte - now
        if not pace.low <= lead <= pace.high and (late := pace.note(lead)):
            self.note(timeline.Late(now, before_bytes, round(late, 3)))

    def begin_stream(self, number: int) -> None:
        """Compare the time of the new stream with that of the last audio: it is the only one."""
        self.pace.begin(number, self._writer.at)

    def connected(self, node: str) -> int | None:
        """Note that a connection begins; return its number, None if there are too many."""
        checkpoint, number = self._recording.checkpoint, self._entries.count(timeline.Connected)
        counts = checkpoint.pcm_bytes, checkpoint.chunk_count
        return number if self.note(timeline.Connected(self.now(), number, *counts, node)) else None

    def disconnected(self, connection: int, pcm_bytes: int, chunks: int, input_bytes: int) -> None:
        """Note that a connection ends, and what it sent."""
        self.note(timeline.Disconnected(self.now(), connection, pcm_bytes, chunks, input_bytes))

    async def mark(self, label: str) -> None:
        """Add a mark at the last frame.

        Raises `TooManyMarksError`, and `StorageUnavailableError` after the last retry.
        """
        if self._entries.count(timeline.Marked) >= timeline.MAX_ENTRIES:
            raise TooManyMarksError(timeline.MAX_ENTRIES)
        self.note(timeline.Marked(self.now(), self._writer.at, label))
        await self._writer.change(lambda last: last)

    def end(self) -> None:
        """Write the count of what the timeline does not list."""
        if self._entries.add_omissions():
            self._write()

    async def restore(self) -> None:
        """Note that another process continues the timeline, after the last audio before it."""
        checkpoint = self._recording.checkpoint
        self._entries.restore(timeline.decode_readable(await self._read()), checkpoint)
        numbers = [stream.number for stream in checkpoint.streams]
        self.pace.restore(checkpoint.pcm_bytes, checkpoint.written_at, numbers)

    async def read(self) -> timeline.Timeline:
        """Return the timeline so far."""
        manifest, checkpoint = self._recording.manifest, self._recording.checkpoint
        data = await self._read()
        data = data[: checkpoint.timeline_bytes]
        found = await threads.reading.run(timeline.timeline_of, manifest, checkpoint, data)
        return msgspec.structs.replace(found, omitted=self._entries.omitted)

    def _write(self) -> None:
        if not self._writer.retries.lock.locked():
            try:
                self._writer.write(b"", self._recording.checkpoint, self._writer.at)
            except StorageError as error:
                session_id = self._writer.session_id
                logger.debug("%s: the timeline follows later: error=%s", session_id, error)

    async def _read(self) -> bytes:
        if not self._recording.checkpoint.timeline_bytes:
            return b""
        try:
            return await self._writer.read_input(TIMELINE)
        except (BadObjectError, OSError) as error:
            session_id = self._writer.session_id
            logger.error("%s: the timeline is not complete: error=%s", session_id, error)  # noqa: TRY400
            return b""
