"""One input stream: the bytes of one recorder on the client's side.

An input stream outlives a dropped connection if the client resumes. It decodes its chunks in order
and writes the PCM and the counts through the ledger. It may consist of several files, one after
the other: a restarted recorder sends a new header.
"""

import asyncio
from collections.abc import AsyncIterator

from api.audio.ffmpeg.feed import FfmpegFeed
from api.audio.formats import DecodeError
from api.audio.pcm import PcmFramer
from api.session.kept_input import KeptInput
from api.session.ledger import Ledger
from api.session.paused_input import PausedInput
from api.session.pauses import Pauses
from api.session.stream_files import StreamFiles
from api.wire.errors import SessionCompletedError
from storage.checkpoint import StreamCheckpoint
from storage.pcm import PcmFormat

_RIFF = b"RIFF"  # a new file may begin


class InputStream:
    """Records the chunks of one stream, until `end` or `abort` is called."""

    __slots__ = (
        "_failure",
        "_files",
        "_frame_bytes",
        "_has_ended",
        "_kept",
        "_kept_input",
        "_ledger",
        "_lock",
        "_paused_input",
        "_pauses",
        "chunks",
        "received_bytes",
        "warn_of_damage",
    )

    def __init__(
        self,
        files: StreamFiles,
        pcm_format: PcmFormat,
        *,
        ledger: Ledger,
        kept_input: KeptInput,
        pauses: Pauses,
    ) -> None:
        self.chunks = self.received_bytes = 0  # for the timeline
        self._files = files
        self._frame_bytes = pcm_format.frame_bytes
        self._paused_input = PausedInput(files, pcm_format, kept_input=kept_input, pauses=pauses)
        self._kept_input = kept_input
        self._pauses = pauses
        self._ledger = ledger
        self._lock = asyncio.Lock()  # held while a chunk is recorded or the stream ends
        self._has_ended = False
        self._kept: bytes | None = None  # the chunk that is kept, and perhaps not decoded
        self._failure: Exception | None = None  # raised by `end`
        self.warn_of_damage = files.warn_of_damage

    @property
    def has_input(self) -> bool:
        """Return whether any byte of the stream has arrived."""
        return self._files.has_input

    @property
    def recorded_bytes(self) -> int:
        """Return how much PCM of the stream is recorded."""
        return self._files.recorded_bytes

    def receive_now(self, chunk: bytes) -> bool:
        """Record ``chunk`` if nothing has to be awaited; on False, call :meth:`receive`.

        This is the hot path. It needs no lock, because it does not await.
        """
        if self._pauses.is_paused:
            return False
        files = self._files
        if (
            len(chunk) % self._frame_bytes
            or chunk[:4] == _RIFF
            or not self._ledger.append_next(files.number, chunk)
        ):
            return self._pass_or_keep_now(chunk)
        self.chunks += 1
        self.received_bytes += len(chunk)
        files.recorded_bytes += len(chunk)
        return True

    def _pass_or_keep_now(self, chunk: bytes) -> bool:
        """Do what :meth:`receive_now` does with a chunk that is not simply the next PCM."""
        files = self._files
        framer = files.decoder.stage
        if not isinstance(framer, PcmFramer):
            return self._keep_now(chunk)
        if self._lock.locked() or (pcm := framer.feed_now(chunk)) is None:
            return False
        if not self._ledger.append_now(files.number, pcm, framer.state(), chunks=1):
            # Nothing was written. `receive` gets the same chunk and writes it with retries.
            files.decoder.restore_passthrough(files.saved.state)
            return False
        if pcm and framer.passes_whole_frames:
            self._ledger.follow()
        self.chunks += 1
        self.received_bytes += len(chunk)
        files.recorded_bytes += len(pcm)
        return True

    def _keep_now(self, chunk: bytes) -> bool:
        """Keep ``chunk`` and pass it to ffmpeg, if nothing has to be awaited."""
        if self._lock.locked() or self._has_ended or self._kept is not None:
            return False
        files = self._files
        if files.has_only_head:
            return False
        decoder = files.decoder
        if not decoder.takes_now(chunk) or not self._kept_input.keep_now(files.number, chunk):
            return False
        if decoder.feed_now(chunk) and (decoder.damage is None or files.told is not None):
            self.chunks += 1
            self.received_bytes += len(chunk)
            return True
        self._kept = chunk  # `receive` does the rest
        return False

    async def receive(self, chunk: bytes) -> None:
        """Record ``chunk``. After the return it survives a crash of the process.

        Raises :class:`DecodeError` for a chunk that is counted but cannot be decoded,
        `StorageUnavailableError` for a chunk that is not counted because it could not be written,
        :class:`SessionCompletedError` for a chunk after the end of the stream.
        """
        async with self._lock:
            if self._has_ended:
                raise SessionCompletedError(self._ledger.session_id)
            if self._failure is not None:
                raise self._failure
            self.chunks += 1
            self.received_bytes += len(chunk)
            if self._pauses.is_paused:
                await self._paused_input.skip(chunk)
                return
            decoder = self._files.decoder
            failed_before = decoder if decoder.has_failed else None
            try:
                await self._record(chunk)
            except DecodeError as error:
                self._files.check_not_aborted()
                if self._files.decoder is not failed_before:
                    await self._files.fail(error)
                raise
            except Exception as error:
                self._files.check_not_aborted()
                self._failure = error  # the state of the decoder is unknown
                raise
            await self.warn_of_damage()

    async def end(self) -> None:
        """Record the rest of the stream, and its decode error if there is one. Idempotent.

        Raises the error that prevents the end; every further call raises it again.
        """
        async with self._lock:
            if self._failure is not None:
                raise self._failure
            if self._has_ended:
                return
            self._has_ended = True
            try:
                await self._files.end()
            except Exception as error:
                self._failure = error
                raise

    async def pause(self) -> None:
        """Record what has arrived; keep what the decoder needs to go on after the pause.

        ffmpeg ends, because what it has not yet decoded cannot be told from what follows. A new
        one gets the head of the stream, and then what comes after the pause.

        If it raises, the state of the decoder is unknown, and so does each call that follows.
        """
        async with self._lock:
            if self._has_ended or not isinstance(self._files.decoder.stage, FfmpegFeed):
                return
            if self._kept is not None:
                self._kept = None
                await self._files.decode(b"")
            try:
                await self._paused_input.begin()
            except DecodeError as error:
                self._files.check_not_aborted()
                await self._files.decoder.abort(str(error))
                await self._files.fail(error)
            except Exception as error:
                self._files.check_not_aborted()
                self._failure = error
                raise

    async def abort(self) -> None:
        """Stop without recording the rest; the last checkpoint can be restored."""
        self._has_ended = True
        # Before the lock is free: its holder waits for the decoder, which may hang.
        await self._files.abort()
        async with self._lock:
            await self._files.abort()

    async def restore(self, saved: StreamCheckpoint, kept_input: AsyncIterator[bytes]) -> None:
        """Continue the stream that was ``saved`` in the recording's last checkpoint."""
        try:
            await self._files.restore(saved, kept_input)
            if saved.skipped_bytes is not None:
                await self._paused_input.restore(saved.pcm_bytes, saved.skipped_bytes)
        except DecodeError as error:
            await self._files.fail(error)
        self._files.note_covered()

    async def _record(self, chunk: bytes) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            try:
                await self._files.decode(b"")
            except DecodeError as error:
                if kept is chunk:
                    raise
                await self._files.fail(error)  # nothing received the rest of that chunk
        if kept is chunk:
            return
        if self._files.begins_file(chunk):
            framer = self._files.decoder.passthrough
            covered_bytes = 0 if framer is None else framer.covered_bytes
            await self._files.begin_file(b"", chunk, chunks=1, covered_bytes=covered_bytes)
            await self._files.decode(chunk)
        elif self._files.has_only_head:
            await self._paused_input.go_on(chunk)
        elif (framer := self._files.decoder.passthrough) is not None:
            await self._files.pass_through(framer, chunk)
        elif self._files.decoder.has_failed:
            await self._kept_input.keep(self._files.number, chunk, self._files.decoder.saved_state)
            await self._files.decoder.feed(chunk)  # raises the failure again
        else:
            await self._kept_input.keep(self._files.number, chunk)
            await self._files.decode(chunk)
