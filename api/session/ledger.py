"""The writer of the audio of one recording: it writes PCM and its counts together.

All counts in messages are read from the recording's checkpoint, which advances only after the
bytes that it counts were written.
"""

from datetime import datetime

from api.audio.formats import DecodeError
from api.session.checkpoint_writer import CheckpointWriter
from api.session.large_writes import LARGE_BYTES, write_ahead
from api.session.session_timeline import SessionTimeline
from storage.checkpoint import Checkpoint, StreamCheckpoint
from storage.errors import StorageUnavailableError
from storage.manifest import Manifest
from storage.pcm import Buffer


class Ledger:
    """Appends the PCM of streams and its counts."""

    __slots__ = (
        "_appended",
        "_epoch",
        "_followed",
        "_journal",
        "_monotonic",
        "_pace",
        "_recording",
        "_retries",
        "_timeline",
        "_timeline_entries",
        "_writer",
        "_writing",
        "session_id",
    )

    def __init__(self, writer: CheckpointWriter, timeline: SessionTimeline) -> None:
        self.session_id = writer.session_id
        self._journal = writer.journal
        self._writer = writer
        self._recording = writer.recording
        self._retries = writer.retries
        self._writing = writer.retries.lock
        self._timeline_entries = writer.timeline_entries
        self._appended = writer.appended
        self._timeline = timeline
        self._pace = timeline.pace
        self._monotonic, self._epoch = timeline.clock
        self._followed: Checkpoint | None = None  # what `append_next` may follow

    def stream(self, number: int) -> StreamCheckpoint:
        """Return the checkpoint of stream ``number``."""
        return self._recording.checkpoint.stream(number)

    def append_next(self, number: int, chunk: bytes) -> bool:
        """Append a chunk of PCM, if its stream had the last one and nothing else has happened.

        What else happens in a session writes a checkpoint, or is still to be written. So little has
        to be compared. On False nothing has changed: call :meth:`append_now`, and then
        :meth:`follow`. This is the hot path.
        """
        recording, journal = self._recording, self._journal
        last = recording.checkpoint
        if (
            last is not self._followed
            or number != journal.writer
            or len(chunk) > LARGE_BYTES
            or (journal.unwritten or self._timeline_entries.unwritten)
            or self._writing.locked()
        ):
            return False
        now = self._monotonic() + self._epoch
        checkpoint = last.with_next(len(chunk), now)
        try:
            recording.append(chunk, checkpoint)
        except StorageUnavailableError:
            return False
        self._followed, pace = checkpoint, self._pace
        # As in `SessionTimeline.follow_pace`, without a call.
        if not pace.low <= checkpoint.pcm_bytes * pace.seconds_per_byte - now <= pace.high:
            self._timeline.follow_pace(number, last.pcm_bytes, now)
        self._appended()
        return True

    def follow(self) -> None:
        """Let :meth:`append_next` follow what was appended last, which was PCM.

        The decoder of its stream then passes on whole frames as they are, and stays in its state.
        """
        self._followed = self._recording.checkpoint

    def append(
        self,
        number: int,
        pcm: Buffer,
        state: bytes,
        *,
        chunks: int = 0,
        kept_bytes: int = 0,
        ahead_bytes: int = 0,
    ) -> None:
        """Append ``pcm`` of stream ``number`` and its counts, without retries.

        ``state`` is the state from which the stream's decoder continues; empty if it must decode
        the kept input again. ``kept_bytes`` of input and ``ahead_bytes`` of PCM were written
        before this call. Raises `StorageUnavailableError`; then nothing has changed.
        """
        last = self._recording.checkpoint
        pcm_bytes = ahead_bytes + len(pcm)
        before = last.stream(number)
        if state:
            is_same = before.state == state and not kept_bytes
            kept_bytes += before.kept_bytes
            stream = before if is_same else StreamCheckpoint(number, kept_bytes, 0, state)
        else:
            kept_bytes += before.kept_bytes
            skipped_bytes = None if chunks else before.skipped_bytes
            stream_pcm_bytes = before.pcm_bytes + pcm_bytes
            stream = StreamCheckpoint(number, kept_bytes, stream_pcm_bytes, b"", skipped_bytes)
        now = self._monotonic() + self._epoch
        checkpoint = last.advanced(
            stream, chunks=chunks, pcm_bytes=pcm_bytes, at=now if chunks else None
        )
        journal = self._journal
        if number == journal.writer and not (journal.unwritten or self._timeline_entries.unwritten):
            self._recording.append(pcm, checkpoint)  # nearly always
        else:
            journal.begin_file(last.pcm_bytes, number)
            writer = number if pcm_bytes else None
            self._writer.write(pcm, checkpoint, last.pcm_bytes, writer, passes=bool(state))
        if pcm_bytes:
            self._timeline.follow_pace(number, last.pcm_bytes, now)
        self._appended()

    def takes_at_once(self, size_bytes: int) -> bool:
        """Return whether :meth:`append` may be called now for a chunk of ``size_bytes``."""
        return size_bytes <= LARGE_BYTES and not self._writing.locked()

    def append_now(self, number: int, pcm: Buffer, state: bytes, *, chunks: int = 0) -> bool:
        """Append if nothing has to be awaited; on False, call :meth:`append_persistently`."""
        if not self.takes_at_once(len(pcm)):
            return False
        try:
            self.append(number, pcm, state, chunks=chunks)
        except StorageUnavailableError:
            return False
        return True

    async def append_persistently(
        self, number: int, pcm: Buffer, state: bytes, *, chunks: int = 0
    ) -> None:
        """Append PCM of any size; retry while the storage fails.

        Raises `StorageUnavailableError` after the last retry.
        """

        async def append() -> None:
            rest, ahead_bytes = await write_ahead(self._recording, pcm)
            self.append(number, rest, state, chunks=chunks, ahead_bytes=ahead_bytes)

        await self._retries.run(append)

    async def warn(self, code: str, message: str) -> None:
        """Record what could not be recorded, and why.

        Raises `StorageUnavailableError` after the last retry.
        """
        await self._writer.change(lambda last: last, DecodeError(message, code))

    async def complete(self, at: datetime) -> Manifest:
        """Complete the recording at time ``at``; retry while the storage fails."""
        return await self._retries.run(lambda: self._recording.complete(at))
