"""One recorder's bytes on their way into the recording.

An input stream outlives the connection that carried it. It takes chunks in order, has them
decoded, and writes the PCM and its counts through the ledger.
"""

import asyncio
import logging
from collections.abc import AsyncIterator

from api.audio.detection import SIGNATURE_BYTES, begins_file
from api.audio.ffmpeg.launcher import DecoderLauncher
from api.audio.file_boundary import FileBoundary
from api.audio.formats import DecodeError, InputKind
from api.audio.stream_decoder import StreamDecoder
from api.session.ledger import Ledger
from api.wire.errors import SessionCompletedError
from storage.checkpoint import StreamCheckpoint
from storage.errors import StorageUnavailableError
from storage.pcm import Buffer, PcmFormat

logger = logging.getLogger(__name__)


class InputStream:
    """Records the chunks of one stream. Ends once, with `end` or `abort`; then it takes none."""

    def __init__(
        self,
        number: int,
        declared: InputKind,
        pcm_format: PcmFormat,
        *,
        launcher: DecoderLauncher,
        ledger: Ledger,
    ) -> None:
        """``number`` names the stream in the checkpoints of the recording."""
        self.number = number
        self._ledger = ledger
        self._decoder = StreamDecoder(declared, pcm_format, launcher=launcher, emit=self._write)
        self._boundary = FileBoundary()
        self._lock = asyncio.Lock()  # held while a chunk is recorded, or the stream ends
        self._has_ended = False
        self._failure: Exception | None = None  # why it could not end

    @property
    def has_input(self) -> bool:
        """Whether any byte of the stream has arrived."""
        return self._decoder.has_input

    def receive_now(self, chunk: bytes) -> bool:
        """Record ``chunk`` if that takes no waiting; if False is returned, use :meth:`receive`.

        Nearly every chunk of PCM is recorded here. As nothing is awaited, nothing is locked.
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
            # Nothing was written. The chunk comes again, to be written with retries.
            self._decoder.restore_passthrough(self._ledger.stream(self.number).state)
            return False
        return True

    def new_file(self, chunk: bytes) -> bytes | None:
        """Return the beginning of the new file if ``chunk`` begins one in this stream's middle."""
        return self._boundary.new_file(chunk) if self.has_input else None

    async def receive(self, chunk: bytes) -> None:
        """Record ``chunk``. When this returns, it survives the death of the process.

        Raises :class:`DecodeError` for a chunk that counts as received but is not audio,
        `StorageUnavailableError` for one that does not count because it could not be written,
        :class:`SessionCompletedError` for one that came after the end.
        """
        async with self._lock:
            if self._has_ended:
                raise SessionCompletedError(self._ledger.session_id)
            try:
                await self._record(chunk)
            except DecodeError as error:
                await self._ledger.fail(self.number, self._decoder.saved_state, error)
                raise

    async def end(self) -> None:
        """Write the rest of the stream and forget it. Damage that is noticed now is recorded.

        Raises what keeps the stream from ending, each time.
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
        """End the stream as it is: it can be restored from the last checkpoint."""
        async with self._lock:
            self._has_ended = True
            await self._decoder.abort()

    async def restore(self, saved: StreamCheckpoint, kept_input: AsyncIterator[bytes]) -> None:
        """Become the stream that was ``saved`` in the recording's last checkpoint."""
        try:
            async for pcm in self._decoder.restore(saved.state, kept_input, saved.pcm_bytes):
                await self._write(pcm)
        except DecodeError as error:
            await self._ledger.fail(self.number, self._decoder.saved_state, error)

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
        except DecodeError as error:
            logger.warning("%s: the end of an input stream: %s", self._ledger.session_id, error)
            damage = error
        await self._ledger.remove_stream(self.number, damage)

    async def _rest(self) -> Buffer:
        held = self._boundary.release()
        if held and self._decoder.passthrough is None and not self._decoder.has_failed:
            await self._write(await self._decoder.feed(held))
        return await self._decoder.finish()

    async def _write(self, pcm: Buffer, *, chunks: int = 0) -> None:
        if pcm or chunks:
            await self._ledger.append_persistently(
                self.number, pcm, self._decoder.saved_state, chunks=chunks
            )
