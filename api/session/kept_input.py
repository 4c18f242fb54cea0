"""What is kept of the input of the streams, written together with its counts.

It is decoded again after a crash, and the digests of the inputs need it: see `storage.journal`.
"""

import logging

from api.audio.formats import DecodeError
from api.session.checkpoint_writer import CheckpointWriter
from api.session.large_writes import LARGE_BYTES, in_thread, write_ahead
from api.session.ledger import Ledger
from api.session.pace import Pace
from storage import journal
from storage.checkpoint import Checkpoint, StreamCheckpoint
from storage.errors import BadObjectError, StorageUnavailableError
from storage.journal import JOURNAL
from storage.pcm import Buffer

logger = logging.getLogger(__name__)


class KeptInput:
    """Keeps the input of each stream until the stream has ended, and notes it in the journal."""

    def __init__(self, writer: CheckpointWriter, ledger: Ledger, pace: Pace) -> None:
        self._writer = writer
        self._recording = writer.recording
        self._journal = writer.journal
        self._ledger = ledger
        self._pace = pace

    @property
    def last_number(self) -> int:
        """Return the highest stream number so far: what is kept of ended streams keeps its name."""
        checkpoints = (self._recording.checkpoint, self._recording.persisted)
        numbers = (s.number for c in checkpoints for s in c.streams)
        return max(self._journal.last_number, *numbers, 0)

    async def restore(self) -> None:
        """Read what the journal says, before the streams are restored."""
        checkpoint = self._recording.checkpoint
        if checkpoint.journal_bytes:
            try:
                data = await self._writer.read_input(JOURNAL)
                self._journal.restore(journal.decode(data), checkpoint.pcm_bytes)
            except BadObjectError as error:
                session_id = self._writer.session_id
                logger.error("%s: the inputs have no digests: error=%s", session_id, error)  # noqa: TRY400
                self._journal.begin_without_history(checkpoint.pcm_bytes)
        elif checkpoint.chunk_count:
            self._journal.begin_without_history(checkpoint.pcm_bytes)
        for stream in checkpoint.streams:  # of a release without a journal
            self._journal.begin_file(checkpoint.pcm_bytes, stream.number)

    def covered_bytes(self, number: int) -> int:
        """See `InputJournal.covered_bytes`."""
        return self._journal.covered_bytes(number)

    def kept_twice_bytes(self, number: int) -> int:
        """See `InputJournal.kept_twice_bytes`."""
        return self._journal.kept_twice_bytes(number)

    def pass_through(
        self, number: int, pcm_bytes: int, pending_bytes: int, *, later_bytes: int = 0
    ) -> bool:
        """Note that the stream is PCM: see `InputJournal.pass_through`.

        The last ``later_bytes`` of its head are noted later: they may begin a chunk of a WAV.
        """
        self._journal.begin_file(self._writer.at, number)
        return self._journal.pass_through(
            self._writer.at,
            number,
            kept_bytes=self._kept_bytes(number) - later_bytes,
            pcm_bytes=pcm_bytes,
            pending_bytes=pending_bytes,
        )

    def keep_all(self, number: int) -> None:
        """Note that all bytes of the stream are kept: it goes through ffmpeg, or has failed."""
        self._journal.begin_file(self._writer.at, number)
        self._journal.keep_all(self._writer.at, number)

    def keep_now(self, number: int, chunk: bytes) -> bool:
        """Store and count ``chunk`` without retries; on False, call :meth:`keep`."""
        if not self._ledger.takes_at_once(len(chunk)):
            return False
        try:
            self._recording.keep_input(number, self._kept_bytes(number), chunk)
            self._ledger.append(number, b"", b"", chunks=1, kept_bytes=len(chunk))
        except StorageUnavailableError:
            return False
        return True

    async def keep(self, number: int, chunk: bytes, state: bytes = b"") -> None:
        """Store and count a chunk of input, so that it can be decoded again after a crash.

        ``state`` is that of a stream that has failed. Raises `StorageUnavailableError` after the
        last retry.
        """

        async def keep() -> None:
            offset = self._kept_bytes(number)
            if len(chunk) > LARGE_BYTES:
                await in_thread(self._recording.keep_input, number, offset, chunk)
            else:
                self._recording.keep_input(number, offset, chunk)
            self._ledger.append(number, b"", state, chunks=1, kept_bytes=len(chunk))

        await self._writer.retries.run(keep)

    async def read(self, number: int, most_bytes: int) -> bytes:
        """Return what is kept of the stream, at most about ``most_bytes``."""
        found = bytearray()
        if self._kept_bytes(number):
            async for block in self._recording.read_input(number):
                found += block
                if len(found) >= most_bytes:
                    break
        return bytes(found)

    async def keep_head(self, number: int, pcm_bytes: int, skipped_bytes: int) -> None:
        """Note that only the head of the stream is kept, and ``skipped_bytes`` came after it.

        The ``pcm_bytes`` that the head decodes to are recorded already.
        """

        def cut(last: Checkpoint) -> Checkpoint:
            kept_bytes = last.stream(number).kept_bytes
            head = StreamCheckpoint(number, kept_bytes, pcm_bytes, b"", skipped_bytes)
            return last.advanced(head, chunks=0, pcm_bytes=0)

        await self._writer.change(cut)

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
        is_noted = False

        async def keep_passed() -> None:
            nonlocal is_noted
            at, offset = self._writer.at, self._kept_bytes(number)
            await in_thread(self._recording.keep_input, number, offset, data)
            rest, ahead_bytes = await write_ahead(self._recording, pcm)
            if not is_noted:
                skip = len(pcm) + pending_bytes - covered_bytes
                self._journal.begin_file(at, number)
                self._journal.keep(at, number, offset, offset + len(data), skip=skip)
                is_noted = True
            self._ledger.append(
                number, rest, state, chunks=chunks, kept_bytes=len(data), ahead_bytes=ahead_bytes
            )

        await self._writer.retries.run(keep_passed)

    async def replace(
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
        begun = StreamCheckpoint(new_number, len(kept), 0, b"")
        losses = self._writer.losses
        losses.report(lost)
        passes, is_noted = bool(self._recording.checkpoint.stream(number).state), False

        async def replace() -> None:
            nonlocal is_noted
            offset = self._kept_bytes(number)
            await in_thread(self._recording.keep_input, new_number, 0, kept)
            if last_input:
                await in_thread(self._recording.keep_input, number, offset, last_input)
            rest, _ = await write_ahead(self._recording, pcm)
            at = self._writer.at
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
            checkpoint, writer = losses.warned(checkpoint, lost), number if pcm else None
            self._writer.write(rest, checkpoint, at, writer, passes=passes)
            self._writer.appended()

        await self._writer.retries.run(replace)
        self._recording.drop_input(number)

    async def fail(self, number: int, state: bytes, error: DecodeError | None) -> None:
        """Record that the stream cannot be decoded; its decoder stays in ``state``.

        All its input is kept for the digest. ``error`` is None if there is a warning of it already.
        """
        before = self._recording.checkpoint.stream(number)
        if before.state and before.state != state:
            self._journal.keep_all(self._writer.at, number, before.kept_bytes)
        else:
            self.keep_all(number)
        failed = StreamCheckpoint(number, before.kept_bytes, 0, state)
        await self._writer.change(lambda last: last.advanced(failed, chunks=0, pcm_bytes=0), error)

    async def remove(self, number: int, error: DecodeError | None) -> None:
        """Record that the stream has ended, with ``error`` if some of it could not be decoded."""
        last = self._recording.checkpoint
        self._journal.end_file(last.pcm_bytes, number, last.stream(number).kept_bytes)
        self._pace.end(number)
        if error is not None or last.without(number) != last:
            await self._writer.change(lambda last: last.without(number), error)
            self._recording.drop_input(number)

    def _kept_bytes(self, number: int) -> int:
        return self._recording.checkpoint.stream(number).kept_bytes
