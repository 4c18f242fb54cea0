"""The pauses of one session, during which chunks count and are not recorded."""

import msgspec

from api.session.checkpoint_writer import CheckpointWriter
from api.session.session_timeline import SessionTimeline
from storage import timeline
from storage.checkpoint import Checkpoint, OpenPause, StreamCheckpoint


class Pauses:
    """Begins and ends pauses, and counts what arrives during one."""

    __slots__ = (
        "_timeline",
        "_writer",
        "is_paused",
    )

    def __init__(self, writer: CheckpointWriter, timeline: SessionTimeline) -> None:
        self._writer = writer
        self._timeline = timeline
        self.is_paused = writer.recording.checkpoint.pause is not None

    async def begin(self) -> None:
        """Write that the chunks from now on count and are not recorded. Idempotent.

        Raises `StorageUnavailableError` after the last retry; the pause has begun nevertheless.
        """
        self.is_paused = True

        def paused(last: Checkpoint) -> Checkpoint:
            return msgspec.structs.replace(last, pause=self._open_pause(last))

        await self._writer.change(paused)

    async def end(self) -> None:
        """Record the chunks that follow. Idempotent.

        Raises `StorageUnavailableError` after the last retry; then the pause goes on.
        """
        if self._writer.recording.checkpoint.pause is None:
            self.is_paused = False
            return
        is_noted = False

        def resumed(last: Checkpoint) -> Checkpoint:
            nonlocal is_noted
            if last.pause is None:
                return last
            began, first_chunk, input_bytes = msgspec.structs.astuple(last.pause)
            if not is_noted:
                is_noted = True
                chunks, at, now = (
                    last.chunk_count - first_chunk,
                    last.pcm_bytes,
                    self._timeline.now(),
                )
                entry = timeline.Paused(began, now, at, first_chunk, chunks, input_bytes)
                self._writer.timeline_entries.add(entry)
            return msgspec.structs.replace(last, pause=None)

        await self._writer.change(resumed)
        self.is_paused = False
        self._timeline.pace.begin_again()

    async def skip_chunk(self, stream: StreamCheckpoint, input_bytes: int) -> None:
        """Count a chunk that is not recorded: the session is paused, or it is within one sample.

        ``stream`` says how its stream continues. Raises `StorageUnavailableError` after the last
        retry.
        """

        def skipped(last: Checkpoint) -> Checkpoint:
            now = self._timeline.now()
            if self.is_paused:
                last = self._skipped(last, input_bytes)
            return last.advanced(stream, chunks=1, pcm_bytes=0, at=now)

        self._writer.journal.begin_file(self._writer.at, stream.number)
        await self._writer.change(skipped)

    async def skip(self, input_bytes: int) -> None:
        """Count a part of a chunk that is not recorded. Raises as :meth:`skip_chunk` does."""
        await self._writer.change(lambda last: self._skipped(last, input_bytes))

    def _open_pause(self, last: Checkpoint) -> OpenPause:
        return last.pause or OpenPause(self._timeline.now(), last.chunk_count)

    def _skipped(self, last: Checkpoint, input_bytes: int) -> Checkpoint:
        """Return the checkpoint after ``input_bytes`` more that are not recorded."""
        pause = self._open_pause(last)
        pause = msgspec.structs.replace(pause, input_bytes=pause.input_bytes + input_bytes)
        return msgspec.structs.replace(last, pause=pause)
