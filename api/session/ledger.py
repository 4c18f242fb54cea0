"""The writer of one recording: it writes audio and its counts together.

All counts in messages are read from the recording's checkpoint, which advances only after the
bytes that it counts were written.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

import msgspec

from api.audio.formats import DecodeError
from api.clock import Clock, SystemClock
from api.observe.metrics import Metrics
from api.session.input_journal import InputJournal
from api.session.pace import Pace
from api.wire.errors import TooManyMarksError
from api.wire.messages import ServerMessage, SessionCounts, SessionWarnings
from storage import journal, threads, timeline
from storage.base import Recording
from storage.checkpoint import TIMELINE, Checkpoint, OpenPause, StreamCheckpoint
from storage.errors import BadObjectError, StorageError, StorageUnavailableError
from storage.journal import JOURNAL
from storage.manifest import Manifest
from storage.pcm import Buffer
from storage.retry import Backoff, retry

logger = logging.getLogger(__name__)

# Retries for about eight seconds; then the session is released.
WRITE_BACKOFF = Backoff(first_seconds=0.05, max_seconds=4.0, retries=8)

# Larger writes run in a thread: the kernel blocks a writer that is faster than the disk.
_LARGE_BYTES = 256 * 1024
_OMISSIONS_GROWTH = 1.1

T = TypeVar("T")


class Ledger:
    """Writes to one recording.

    ``gave_up`` is called once, after the last retry has failed; then nothing more is written.
    ``appended`` is called after each write, and ``warned`` with the code of a warning before the
    first one with this code is written.
    """

    def __init__(
        self,
        recording: Recording,
        *,
        gave_up: Callable[[StorageUnavailableError], None],
        appended: Callable[[], None],
        warned: Callable[[str], None] = lambda _: None,
        backoff: Backoff = WRITE_BACKOFF,
        metrics: Metrics | None = None,
        clock: Clock | None = None,
    ) -> None:
        clock = clock or SystemClock()
        self._monotonic = clock.monotonic
        # Within a process the timeline has monotonic time: a clock that is set distorts no length.
        self._epoch = clock.now().timestamp() - clock.monotonic()
        self._metrics = metrics or Metrics()
        self.session_id = recording.manifest.session_id
        self._recording = recording
        self._gave_up = gave_up
        self._appended = appended
        self._announce_warning = warned
        self._backoff = backoff
        self._bytes_per_second = recording.manifest.pcm_format.bytes_per_second
        self._frame_bytes = recording.manifest.pcm_format.frame_bytes
        self._failure: StorageUnavailableError | None = None
        self._writing = asyncio.Lock()  # held during writes with retries
        self._journal = InputJournal()
        self._pace = Pace(self._bytes_per_second)
        self._unwritten: list[timeline.Entry] = []  # of the timeline
        self._entries: dict[type, int] = {}  # how many there are in the timeline, by kind
        self._omitted = timeline.Omissions()
        self._written_omissions = 0
        self.is_paused = recording.checkpoint.pause is not None

    def now(self) -> float:
        """Return the Unix time for the timeline."""
        return self._monotonic() + self._epoch

    def counts(self) -> SessionCounts:
        """Return the counts for messages about the session."""
        checkpoint = self._recording.checkpoint
        return SessionCounts(
            self.session_id,
            checkpoint.chunk_count,
            self._recording.persisted.chunk_count,
            checkpoint.pcm_bytes / self._bytes_per_second,
        )

    def count_in(self, message: ServerMessage) -> int:
        """Set the counts in ``message``, which has the session's id.

        Return the number of warnings, which ``message`` does not get.
        """
        checkpoint = self._recording.checkpoint
        message.chunk_count = checkpoint.chunk_count
        message.persisted_chunk_count = self._recording.persisted.chunk_count
        message.duration_seconds = checkpoint.pcm_bytes / self._bytes_per_second
        return checkpoint.warning_count

    @property
    def _at(self) -> int:
        """Return the length of the recording, in bytes of PCM."""
        return self._recording.checkpoint.pcm_bytes

    @property
    def warnings(self) -> SessionWarnings:
        """Return the warnings of the session."""
        checkpoint = self._recording.checkpoint
        return SessionWarnings(checkpoint.warnings, checkpoint.warning_count)

    @property
    def last_stream_number(self) -> int:
        """Return the highest stream number so far: what is kept of ended streams keeps its name."""
        checkpoints = (self._recording.checkpoint, self._recording.persisted)
        numbers = (s.number for c in checkpoints for s in c.streams)
        return max(self._journal.last_number, *numbers, 0)

    def stream(self, number: int) -> StreamCheckpoint:
        """Return the checkpoint of stream ``number``."""
        return self._recording.checkpoint.stream(number)

    def takes_at_once(self, size_bytes: int) -> bool:
        """Return whether :meth:`append` may be called now for a chunk of ``size_bytes``."""
        return size_bytes <= _LARGE_BYTES and not self._writing.locked()

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
        now = self.now()
        checkpoint = last.advanced(
            stream, chunks=chunks, pcm_bytes=pcm_bytes, at=now if chunks else None
        )
        if (
            number == self._journal.writer and not self._journal.unwritten and not self._unwritten
        ):  # nearly always
            self._recording.append(pcm, checkpoint)
        else:
            self._journal.begin_file(last.pcm_bytes, number)
            writer = number if pcm_bytes else None
            self._append_journaled(pcm, checkpoint, last.pcm_bytes, writer, passes=bool(state))
        if pcm_bytes:
            self._follow_pace(number, last.pcm_bytes, now)
        self._appended()

    def _follow_pace(self, number: int, before_bytes: int, now: float) -> None:
        """Note how late the PCM of the stream is that came after ``before_bytes``."""
        pace = self._pace
        if number != pace.number:
            pace.switch(number, before_bytes)
        lead = self._at * pace.seconds_per_byte - now
        if not pace.low <= lead <= pace.high and (late := pace.note(lead)):
            self.note(timeline.Late(now, before_bytes, round(late, 3)))

    def note(self, entry: timeline.Entry) -> bool:
        """Add an entry to the timeline: now if that is possible, else with the next write.

        Return False if the timeline does not list it, and counts it only.
        """
        if not self._list(entry):
            return False
        self._write_unwritten()
        return True

    def _write_unwritten(self) -> None:
        if not self._writing.locked():
            try:
                self._append_journaled(b"", self._recording.checkpoint, self._at)
            except StorageError as error:
                logger.debug("%s: the timeline follows later: error=%s", self.session_id, error)

    def _list(self, entry: timeline.Entry) -> bool:
        """Add an entry to the timeline with the next write. Count it if there are too many."""
        count = self._entries.get(type(entry), 0)
        is_short = isinstance(entry, timeline.Late) and entry.seconds < timeline.least_gap_seconds(
            count
        )
        if is_short or count >= timeline.MAX_ENTRIES:
            self._omit(entry)
            return False
        self._entries[type(entry)] = count + 1
        self._unwritten.append(entry)
        return True

    def _omit(self, entry: timeline.Entry) -> None:
        """Count an entry. The count is written when it has grown by a tenth, and at the end."""
        self._omitted = self._omitted.plus(entry)
        if self._omitted.count >= self._written_omissions * _OMISSIONS_GROWTH:
            self._list_omissions()

    def _list_omissions(self) -> bool:
        if self._omitted.count == self._written_omissions:
            return False
        self._written_omissions = self._omitted.count
        self._unwritten.append(timeline.Omitted(self._omitted))
        return True

    def connected(self, node: str) -> int | None:
        """Note that a connection begins; return its number, None if there are too many."""
        checkpoint, number = self._recording.checkpoint, self._entries.get(timeline.Connected, 0)
        counts = checkpoint.pcm_bytes, checkpoint.chunk_count
        return number if self.note(timeline.Connected(self.now(), number, *counts, node)) else None

    def disconnected(self, connection: int, pcm_bytes: int, chunks: int, input_bytes: int) -> None:
        """Note that a connection ends, and what it sent."""
        self.note(timeline.Disconnected(self.now(), connection, pcm_bytes, chunks, input_bytes))

    def begin_stream(self, number: int) -> None:
        """Compare the time of the new stream with that of the last audio: it is the only one."""
        self._pace.begin(number, self._at)

    def _append_journaled(
        self,
        pcm: Buffer,
        checkpoint: Checkpoint,
        at: int,
        writer: int | None = None,
        *,
        passes: bool = False,
    ) -> None:
        """Append with the entries of the journal; ``writer`` is the stream of the PCM."""
        entries = self._journal.unwritten
        if writer is None:
            writer = self._journal.writer
        elif writer != self._journal.writer:
            entries += self._journal.switch(at, writer, passes=passes)
        if entries:
            self._recording.keep_input(JOURNAL, checkpoint.journal_bytes, entries)
            journal_bytes = checkpoint.journal_bytes + len(entries)
            checkpoint = msgspec.structs.replace(checkpoint, journal_bytes=journal_bytes)
        noted = b"".join(map(timeline.encode_entry, self._unwritten))
        if noted:
            self._recording.keep_input(TIMELINE, checkpoint.timeline_bytes, noted)
            timeline_bytes = checkpoint.timeline_bytes + len(noted)
            checkpoint = msgspec.structs.replace(checkpoint, timeline_bytes=timeline_bytes)
        self._recording.append(pcm, checkpoint)
        self._journal.wrote(writer)
        self._unwritten.clear()

    async def restore_journal(self) -> None:
        """Read what the journal says, before the streams are restored."""
        checkpoint = self._recording.checkpoint
        if checkpoint.journal_bytes:
            try:
                data = await self._read_input(JOURNAL)
                self._journal.restore(journal.decode(data), checkpoint.pcm_bytes)
            except BadObjectError as error:
                logger.error("%s: the inputs have no digests: error=%s", self.session_id, error)  # noqa: TRY400
                self._journal.begin_without_history(checkpoint.pcm_bytes)
        elif checkpoint.chunk_count:
            self._journal.begin_without_history(checkpoint.pcm_bytes)
        for stream in checkpoint.streams:  # of a release without a journal
            self._journal.begin_file(checkpoint.pcm_bytes, stream.number)
        await self._restore_timeline()

    async def _restore_timeline(self) -> None:
        """Note that another process continues the timeline, after the last audio before it."""
        checkpoint = self._recording.checkpoint
        for entry in timeline.decode_readable(await self._read_timeline()):
            self._entries[type(entry)] = self._entries.get(type(entry), 0) + 1
            if isinstance(entry, timeline.Omitted):
                self._omitted = entry.omissions
        self._written_omissions = self._omitted.count
        numbers = [stream.number for stream in checkpoint.streams]
        self._pace.restore(checkpoint.pcm_bytes, checkpoint.written_at, numbers)
        count = self._entries.get(timeline.Opened, 0)
        if checkpoint.timeline_bytes and count < timeline.MAX_ENTRIES:
            # Written with the next entry: a recording that was being completed must not change.
            last_at, chunk_count = checkpoint.written_at, checkpoint.chunk_count
            self._unwritten.append(timeline.Opened(last_at, checkpoint.pcm_bytes, chunk_count))

    async def _read_input(self, number: int) -> bytes:
        return b"".join([block async for block in self._recording.read_input(number)])

    async def _read_timeline(self) -> bytes:
        if not self._recording.checkpoint.timeline_bytes:
            return b""
        try:
            return await self._read_input(TIMELINE)
        except (BadObjectError, OSError) as error:
            logger.error("%s: the timeline is not complete: error=%s", self.session_id, error)  # noqa: TRY400
            return b""

    async def timeline(self) -> timeline.Timeline:
        """Return the timeline so far."""
        manifest, checkpoint = self._recording.manifest, self._recording.checkpoint
        data = await self._read_timeline()
        data = data[: checkpoint.timeline_bytes]
        found = await threads.reading.run(timeline.timeline_of, manifest, checkpoint, data)
        return msgspec.structs.replace(found, omitted=self._omitted)

    def end_timeline(self) -> None:
        """Write the count of what the timeline does not list."""
        if self._list_omissions():
            self._write_unwritten()

    async def mark(self, label: str) -> None:
        """Add a mark at the last frame.

        Raises `TooManyMarksError`, and `StorageUnavailableError` after the last retry.
        """
        if self._entries.get(timeline.Marked, 0) >= timeline.MAX_ENTRIES:
            raise TooManyMarksError(timeline.MAX_ENTRIES)
        self.note(timeline.Marked(self.now(), self._at, label))
        await self._change(lambda last: last, None)

    async def pause(self) -> None:
        """Write that the chunks from now on count and are not recorded. Idempotent.

        Raises `StorageUnavailableError` after the last retry; the pause has begun nevertheless.
        """
        self.is_paused = True

        def paused(last: Checkpoint) -> Checkpoint:
            pause = last.pause or OpenPause(self.now(), last.chunk_count)
            return msgspec.structs.replace(last, pause=pause)

        await self._change(paused, None)

    async def resume(self) -> None:
        """Record the chunks that follow. Idempotent.

        Raises `StorageUnavailableError` after the last retry; then the pause goes on.
        """
        if self._recording.checkpoint.pause is None:
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
                chunks, at = last.chunk_count - first_chunk, last.pcm_bytes
                entry = timeline.Paused(began, self.now(), at, first_chunk, chunks, input_bytes)
                self._list(entry)
            return msgspec.structs.replace(last, pause=None)

        await self._change(resumed, None)
        self.is_paused = False
        self._pace.begin_again()

    async def skip_chunk(self, stream: StreamCheckpoint, input_bytes: int) -> None:
        """Count a chunk that is not recorded: the session is paused, or it is within one sample.

        ``stream`` says how its stream continues. Raises `StorageUnavailableError` after the last
        retry.
        """

        def skipped(last: Checkpoint) -> Checkpoint:
            now = self.now()
            if self.is_paused:
                last = _skipped(last, input_bytes, now)
            return last.advanced(stream, chunks=1, pcm_bytes=0, at=now)

        self._journal.begin_file(self._at, stream.number)
        await self._change(skipped, None)

    def pass_through(
        self, number: int, pcm_bytes: int, pending_bytes: int, *, later_bytes: int = 0
    ) -> bool:
        """Note that the stream is PCM: see `InputJournal.pass_through`.

        The last ``later_bytes`` of its head are noted later: they may begin a chunk of a WAV.
        """
        self._journal.begin_file(self._at, number)
        return self._journal.pass_through(
            self._at,
            number,
            kept_bytes=self.stream(number).kept_bytes - later_bytes,
            pcm_bytes=pcm_bytes,
            pending_bytes=pending_bytes,
        )

    def keep_all(self, number: int) -> None:
        """Note that all bytes of the stream are kept: it goes through ffmpeg, or has failed."""
        self._journal.begin_file(self._at, number)
        self._journal.keep_all(self._at, number)

    def kept_twice_bytes(self, number: int) -> int:
        """See `InputJournal.kept_twice_bytes`."""
        return self._journal.kept_twice_bytes(number)

    def covered_bytes(self, number: int) -> int:
        """See `InputJournal.covered_bytes`."""
        return self._journal.covered_bytes(number)

    def append_chunk(self, number: int, pcm: Buffer, state: bytes) -> bool:
        """Append and count one chunk of a stream whose decoder is then in ``state``.

        On False nothing has changed, and something has to be awaited: call
        :meth:`append_persistently`. This is the hot path.
        """
        if len(pcm) > _LARGE_BYTES or self._writing.locked():
            return False
        journal, pace = self._journal, self._pace
        if (
            number != journal.writer or number != pace.number or journal.unwritten
        ) or self._unwritten:  # seldom
            return self.append_now(number, pcm, state, chunks=1)
        recording, now = self._recording, self._monotonic() + self._epoch
        checkpoint = recording.checkpoint.with_chunk(number, state, len(pcm), now)
        try:
            recording.append(pcm, checkpoint)
        except StorageUnavailableError:
            return False
        # As in `_follow_pace`, without a call.
        lead = checkpoint.pcm_bytes * pace.seconds_per_byte - now
        if not pace.low <= lead <= pace.high:
            self._follow_pace(number, checkpoint.pcm_bytes - len(pcm), now)
        self._appended()
        return True

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
        is_large = len(pcm) > _LARGE_BYTES

        async def append() -> None:
            if is_large:
                await _in_thread(self._recording.write_ahead, pcm)
                self.append(number, b"", state, chunks=chunks, ahead_bytes=len(pcm))
            else:
                self.append(number, pcm, state, chunks=chunks)

        await self._retry(append)

    def keep_input_now(self, number: int, chunk: bytes) -> bool:
        """Store and count ``chunk`` without retries; on False, call :meth:`keep_input`."""
        if not self.takes_at_once(len(chunk)):
            return False
        try:
            self._recording.keep_input(number, self.stream(number).kept_bytes, chunk)
            self.append(number, b"", b"", chunks=1, kept_bytes=len(chunk))
        except StorageUnavailableError:
            return False
        return True

    async def read_kept(self, number: int, most_bytes: int) -> bytes:
        """Return what is kept of the stream, at most about ``most_bytes``."""
        found = bytearray()
        if self.stream(number).kept_bytes:
            async for block in self._recording.read_input(number):
                found += block
                if len(found) >= most_bytes:
                    break
        return bytes(found)

    async def keep_head(self, number: int, pcm_bytes: int, skipped_bytes: int) -> None:
        """Note that only the head of the stream is kept, and ``skipped_bytes`` came after it.

        The ``pcm_bytes`` that the head decodes to are recorded already.
        """

        def head(last: Checkpoint) -> StreamCheckpoint:
            kept_bytes = last.stream(number).kept_bytes
            return StreamCheckpoint(number, kept_bytes, pcm_bytes, b"", skipped_bytes)

        await self._change(
            lambda last: last.advanced(
                head(last),
                chunks=0,
                pcm_bytes=0,
            ),
            None,
        )

    async def keep_input(
        self, number: int, chunk: bytes, state: bytes = b"", *, skipped_bytes: int = 0
    ) -> None:
        """Store and count a chunk of input, so that it can be decoded again after a crash.

        ``state`` is that of a stream that has failed. During a pause, ``skipped_bytes`` of the
        chunk are not kept. Raises `StorageUnavailableError` after the last retry.
        """

        async def keep_input() -> None:
            offset = self.stream(number).kept_bytes
            if len(chunk) > _LARGE_BYTES:
                await _in_thread(self._recording.keep_input, number, offset, chunk)
            else:
                self._recording.keep_input(number, offset, chunk)
            self.append(number, b"", state, chunks=1, kept_bytes=len(chunk))

        await self._retry(keep_input)
        if skipped_bytes:
            await self._change(lambda last: _skipped(last, skipped_bytes, self.now()), None)

    async def keep_passed(
        self,
        number: int,
        data: bytes,
        pcm: Buffer,
        state: bytes,
        *,
        pending_bytes: int,
        covered_bytes: int,
        chunks: int,
    ) -> None:
        """Append ``pcm`` of a stream that passes through, and keep the ``data`` it came from.

        The input is not all PCM, as at the end of a WAV. The last ``pending_bytes`` of it will be
        in the next PCM. In front of it were ``covered_bytes`` of a frame, which are kept already.
        """
        is_large = len(pcm) > _LARGE_BYTES
        is_noted = False

        async def keep_passed() -> None:
            nonlocal is_noted
            at, offset = self._at, self.stream(number).kept_bytes
            await _in_thread(self._recording.keep_input, number, offset, data)
            if is_large:
                await _in_thread(self._recording.write_ahead, pcm)
            if not is_noted:
                skip = len(pcm) + pending_bytes - covered_bytes
                stop = offset + len(data)
                self._journal.begin_file(at, number)
                self._journal.keep(at, number, offset, stop, skip=skip)
                is_noted = True
            self.append(
                number,
                b"" if is_large else pcm,
                state,
                chunks=chunks,
                kept_bytes=len(data),
                ahead_bytes=len(pcm) if is_large else 0,
            )

        await self._retry(keep_passed)

    async def replace_stream(
        self,
        number: int,
        pcm: Buffer,
        lost: DecodeError | None,
        *,
        new_number: int,
        kept: bytes,
        kept_twice_bytes: int,
        last_input: bytes,
        covered_bytes: int,
        chunks: int,
    ) -> None:
        """Record the end of stream ``number``, with its last ``pcm``, and the beginning of another.

        ``kept`` is the input of the new stream so far, which is stored; the first
        ``kept_twice_bytes`` of it are kept of ``number``, too. ``last_input`` is what ``number``
        had last, if it passes through and that is not all PCM; ``covered_bytes`` of the frame in
        front of it are kept already. All of it is written at once, so
        that a crash loses nothing of a chunk in which one file ends and another begins.
        """
        is_large = len(pcm) > _LARGE_BYTES
        begun = StreamCheckpoint(new_number, len(kept), 0, b"")
        self._note_loss(lost)
        passes, is_noted = bool(self.stream(number).state), False

        async def replace_stream() -> None:
            nonlocal is_noted
            offset = self.stream(number).kept_bytes
            await _in_thread(self._recording.keep_input, new_number, 0, kept)
            if last_input:
                await _in_thread(self._recording.keep_input, number, offset, last_input)
            if is_large:
                await _in_thread(self._recording.write_ahead, pcm)
            at = self._at
            if not is_noted:
                self._journal.begin_file(at, number)
                if last_input or covered_bytes:
                    skip, stop = len(pcm) - covered_bytes, offset + len(last_input)
                    self._journal.keep(at, number, offset, stop, skip=skip)
                self._journal.end_file(at, number, offset)
                self._journal.begin_file(at, new_number, after=number, start=kept_twice_bytes)
                self._pace.begin(new_number, at)
                is_noted = True
            checkpoint = self._recording.checkpoint.without(number)
            checkpoint = checkpoint.advanced(begun, chunks=chunks, pcm_bytes=len(pcm))
            checkpoint, writer = self._warned(checkpoint, lost), number if pcm else None
            self._append_journaled(b"" if is_large else pcm, checkpoint, at, writer, passes=passes)
            self._appended()

        await self._retry(replace_stream)
        self._recording.drop_input(number)

    async def fail(self, number: int, state: bytes, error: DecodeError | None) -> None:
        """Record that the stream cannot be decoded; its decoder stays in ``state``.

        All its input is kept for the digest. ``error`` is None if there is a warning of it already.
        """
        before = self.stream(number)
        if before.state and before.state != state:
            self._journal.keep_all(self._at, number, before.kept_bytes)
        else:
            self.keep_all(number)
        failed = StreamCheckpoint(number, before.kept_bytes, 0, state)
        await self._change(lambda last: last.advanced(failed, chunks=0, pcm_bytes=0), error)

    async def remove_stream(self, number: int, error: DecodeError | None) -> None:
        """Record that the stream has ended, with ``error`` if some of it could not be decoded."""
        last = self._recording.checkpoint
        self._journal.end_file(last.pcm_bytes, number, last.stream(number).kept_bytes)
        self._pace.end(number)
        if error is not None or last.without(number) != last:
            await self._change(lambda last: last.without(number), error)
            self._recording.drop_input(number)

    async def warn(self, code: str, message: str) -> None:
        """Record what could not be recorded, and why.

        Raises `StorageUnavailableError` after the last retry.
        """
        await self._change(lambda last: last, DecodeError(message, code))

    async def complete(self, at: datetime) -> Manifest:
        """Complete the recording at time ``at``; retry while the storage fails."""
        return await self._retry(lambda: self._recording.complete(at))

    async def _change(
        self, change: Callable[[Checkpoint], Checkpoint], lost: DecodeError | None
    ) -> None:
        """Write what ``change`` makes of the last checkpoint; warn of what was ``lost``."""
        self._note_loss(lost)

        async def write() -> None:
            checkpoint = self._warned(change(self._recording.checkpoint), lost)
            self._append_journaled(b"", checkpoint, self._at)
            self._appended()

        await self._retry(write)

    def _note_loss(self, lost: DecodeError | None) -> None:
        if lost is None:
            return
        self._metrics.warnings.labels(lost.code).inc()
        logger.warning(
            "%s: audio was not recorded: code=%s reason=%s", self.session_id, lost.code, lost
        )
        if lost.code not in {warning.code for warning in self._recording.checkpoint.warnings}:
            self._announce_warning(lost.code)

    def _warned(self, checkpoint: Checkpoint, lost: DecodeError | None) -> Checkpoint:
        if lost is None:
            return checkpoint
        frame = checkpoint.pcm_bytes // self._frame_bytes
        return checkpoint.warned(lost.code, str(lost), frame=frame)

    async def _retry(self, action: Callable[[], Awaitable[T]]) -> T:
        async with self._writing:
            if self._failure is not None:
                raise self._failure
            try:
                return await retry(
                    action,
                    on=StorageUnavailableError,
                    delays=self._backoff.delays(),
                    failed=self._log_failure,
                )
            except StorageUnavailableError as failure:
                logger.error(  # noqa: TRY400
                    "%s: storage failed, no retries left, releasing the session: error=%s",
                    self.session_id,
                    failure,
                )
                self._failure = failure
                self._gave_up(failure)
                raise

    def _log_failure(self, error: Exception, delay_seconds: float) -> None:
        self._metrics.store_errors.labels("record").inc()
        logger.warning(
            "%s: storage failed, retrying: seconds=%.2f error=%s",
            self.session_id,
            delay_seconds,
            error,
        )


def _skipped(last: Checkpoint, input_bytes: int, now: float) -> Checkpoint:
    """Return the checkpoint after ``input_bytes`` more that are not recorded."""
    pause = last.pause or OpenPause(now, last.chunk_count)
    pause = msgspec.structs.replace(pause, input_bytes=pause.input_bytes + input_bytes)
    return msgspec.structs.replace(last, pause=pause)


async def _in_thread(write: Callable[..., None], *arguments: object) -> None:
    """Run ``write`` in a thread; return after it has ended, even if cancelled.

    Otherwise the caller could close the file during the write.
    """
    writing = asyncio.ensure_future(threads.recording.run(write, *arguments))
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait([writing])
        raise
