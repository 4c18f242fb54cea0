"""One input stream: the bytes of one recorder on the client's side.

An input stream outlives a dropped connection if the client resumes. It decodes its chunks in order
and writes the PCM and the counts through the ledger.
"""

import asyncio
import logging
from collections.abc import AsyncIterator

from api.audio.detection import SIGNATURE_BYTES, begins_file
from api.audio.ffmpeg.launcher import DecoderLauncher
from api.audio.file_boundary import FileBoundary
from api.audio.formats import DecodeError, DecoderLostError, InputKind
from api.audio.stream_decoder import StreamDecoder
from api.session.ledger import Ledger
from api.wire.errors import SessionCompletedError
from storage.checkpoint import StreamCheckpoint
from storage.errors import FencedError, StorageUnavailableError
from storage.pcm import Buffer, PcmFormat

logger = logging.getLogger(__name__)


class InputStream:
    """Records the chunks of one stream, until `end` or `abort` is called."""

    def __init__(
        self,
        number: int,
        declared: InputKind,
        pcm_format: PcmFormat,
        *,
        launcher: DecoderLauncher,
        ledger: Ledger,
    ) -> None:
        """Create the stream; ``number`` identifies it in the checkpoints of the recording."""
        self.number = number
        self._ledger = ledger
        self._decoder = StreamDecoder(declared, pcm_format, launcher=launcher, emit=self._write)
        self._boundary = FileBoundary()
        self._lock = asyncio.Lock()  # held while a chunk is recorded or the stream ends
        self._has_ended = False
        self._is_aborted = False
        self._failure: Exception | None = None  # raised by `end`

    @property
    def has_input(self) -> bool:
        """Return whether any byte of the stream has arrived."""
        return self._decoder.has_input

    def receive_now(self, chunk: bytes) -> bool:
        """Record ``chunk`` if nothing has to be awaited; on False, call :meth:`receive`.

        This is the hot path of PCM. It needs no lock, because it does not await.
        """
        framer = self._decoder.passthrough
        if (
            framer is None
            or len(chunk) < SIGNATURE_BYTES
            or self._boundary.has_partial_signature
            or begins_file(chunk)
            or self._lock.locked()
            or not self._ledger.takes_at_once(len(chunk))
        ):
            return False
        pcm = framer.feed(chunk)
        try:
            self._ledger.append(self.number, pcm, framer.state(), chunks=1)
        except StorageUnavailableError:
            # Nothing was written. `receive` gets the same chunk and writes it with retries.
            self._decoder.restore_passthrough(self._ledger.stream(self.number).state)
            return False
        return True

    def new_file(self, chunk: bytes) -> bytes | None:
        """Return the first bytes of the new file if ``chunk`` begins one, else None."""
        return self._boundary.new_file(chunk) if self.has_input else None

    async def receive(self, chunk: bytes) -> None:
        """Record ``chunk``. After the return it survives a crash of the process.

        Raises :class:`DecodeError` for a chunk that is counted but cannot be decoded,
        `StorageUnavailableError` for a chunk that is not counted because it could not be written,
        :class:`SessionCompletedError` for a chunk after the end of the stream.
        """
        async with self._lock:
            if self._has_ended:
                raise SessionCompletedError(self._ledger.session_id)
            try:
                await self._record(chunk)
            except DecodeError as error:
                self._check_not_aborted()
                await self._ledger.fail(self.number, self._decoder.saved_state, error)
                raise
            except Exception as error:
                self._check_not_aborted()
                self._failure = error  # the state of the decoder is unknown
                raise

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
                await self._end()
            except Exception as error:
                self._failure = error
                raise

    async def abort(self) -> None:
        """Stop without recording the rest; the last checkpoint can be restored."""
        self._has_ended = self._is_aborted = True
        # Before the lock is free: its holder waits for the decoder, which may hang.
        await self._decoder.abort()
        async with self._lock:
            await self._decoder.abort()

    async def restore(self, saved: StreamCheckpoint, kept_input: AsyncIterator[bytes]) -> None:
        """Continue the stream that was ``saved`` in the recording's last checkpoint."""
        try:
            async for pcm in self._decoder.restore(saved.state, kept_input, saved.pcm_bytes):
                await self._write(pcm)
        except DecodeError as error:
            await self._ledger.fail(self.number, self._decoder.saved_state, error)

    def _check_not_aborted(self) -> None:
        """Raise :class:`SessionCompletedError` if `abort` has caused the current error."""
        if self._is_aborted:
            raise SessionCompletedError(self._ledger.session_id)

    async def _record(self, chunk: bytes) -> None:
        passes_on = self._boundary.pass_on(chunk) if self.has_input else chunk
        if self._decoder.passthrough is not None:
            pcm = await self._decoder.feed(chunk)
            await self._write(pcm, chunks=1)
        elif self._decoder.has_failed:
            await self._write(b"", chunks=1)
            await self._decoder.feed(chunk)  # raises the failure again
        else:
            await self._ledger.keep_input(self.number, chunk)
            await self._write(await self._decoder.feed(passes_on))

    async def _end(self) -> None:
        damage: DecodeError | None = None
        try:
            await self._write(await self._rest())
        except (DecodeError, DecoderLostError) as error:
            if self._is_aborted:
                # The session is released before it is completed; its next owner completes it.
                raise FencedError(self._ledger.session_id) from error
            if isinstance(error, DecoderLostError):
                raise
            logger.warning(
                "%s: failed to decode the end of an input stream: stream=%d error=%s",
                self._ledger.session_id,
                self.number,
                error,
            )
            damage = error
        await self._ledger.remove_stream(self.number, damage)

    async def _rest(self) -> Buffer:
        kept_back = self._boundary.release()
        if kept_back and self._decoder.passthrough is None and not self._decoder.has_failed:
            await self._write(await self._decoder.feed(kept_back))
        return await self._decoder.finish()

    async def _write(self, pcm: Buffer, *, chunks: int = 0) -> None:
        if pcm or chunks:
            await self._ledger.append_persistently(
                self.number, pcm, self._decoder.saved_state, chunks=chunks
            )
