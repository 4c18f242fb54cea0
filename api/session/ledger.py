"""What a session has recorded: bytes and the counts that go with them, written together.

The recording's checkpoint is the only truth. Every count that a client is told is read
from it, and it moves only when the bytes it counts were written.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

from api.wire.messages import SessionCounts
from storage.base import Recording
from storage.checkpoint import StreamCheckpoint
from storage.errors import StorageUnavailableError
from storage.manifest import Manifest
from storage.pcm import Buffer
from storage.retry import Backoff, retry

logger = logging.getLogger(__name__)

# Storage that fails is tried again for about eight seconds; then the session is given up.
WRITE_BACKOFF = Backoff(first_seconds=0.05, max_seconds=4.0, retries=8)

# More is written in a thread: the kernel makes a writer wait that is faster than the disk.
_LARGE_BYTES = 256 * 1024

# An error is text from ffmpeg, and a checkpoint has little room.
_MAX_ERROR_BYTES = 200

T = TypeVar("T")


class Ledger:
    """Writes to one recording.

    ``gave_up`` is called once, when retries came to their end; from then on nothing is written.
    ``appended`` is called after everything that was written.
    """

    def __init__(
        self,
        recording: Recording,
        *,
        gave_up: Callable[[StorageUnavailableError], None],
        appended: Callable[[], None],
        backoff: Backoff = WRITE_BACKOFF,
    ) -> None:
        self.session_id = recording.manifest.session_id
        self._recording = recording
        self._gave_up = gave_up
        self._appended = appended
        self._backoff = backoff
        self._bytes_per_second = recording.manifest.pcm_format.bytes_per_second
        self._failure: StorageUnavailableError | None = None
        self._writing = asyncio.Lock()  # held by what may take a while

    def counts(self) -> SessionCounts:
        """Return what every message says of the session."""
        checkpoint = self._recording.checkpoint
        return SessionCounts(
            self.session_id,
            checkpoint.chunk_count,
            self._recording.persisted.chunk_count,
            checkpoint.pcm_bytes / self._bytes_per_second,
        )

    @property
    def last_stream_number(self) -> int:
        """The highest number that any checkpoint of the recording may still name."""
        checkpoints = (self._recording.checkpoint, self._recording.persisted)
        return max((s.number for c in checkpoints for s in c.streams), default=0)

    def stream(self, number: int) -> StreamCheckpoint:
        """Return how far the stream of that number is written."""
        return self._recording.checkpoint.stream(number)

    def takes_at_once(self, size_bytes: int) -> bool:
        """Return whether :meth:`append` may be called for so much, now."""
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
        error: str = "",
    ) -> None:
        """Write ``pcm`` of stream ``number`` and what it counts for, now or not at all.

        ``state`` is what the stream's decoder needs to go on after it, if it needs no input;
        ``ahead_bytes`` of PCM were written ahead of ``pcm``. Raises `StorageUnavailableError`,
        and then nothing has changed.
        """
        last = self._recording.checkpoint
        pcm_bytes = ahead_bytes + len(pcm)
        if state:
            stream = StreamCheckpoint(number, 0, 0, state)
        else:
            before = last.stream(number)
            kept_bytes += before.kept_bytes
            stream = StreamCheckpoint(number, kept_bytes, before.pcm_bytes + pcm_bytes, b"")
        self._recording.append(
            pcm, last.advanced(stream, chunks=chunks, pcm_bytes=pcm_bytes, error=error)
        )
        self._appended()

    async def append_persistently(
        self, number: int, pcm: Buffer, state: bytes, *, chunks: int = 0, error: str = ""
    ) -> None:
        """Append however much, and try again while the storage fails."""
        is_large = len(pcm) > _LARGE_BYTES

        async def append() -> None:
            if is_large:
                await _in_thread(self._recording.write_ahead, pcm)
                self.append(number, b"", state, chunks=chunks, ahead_bytes=len(pcm), error=error)
            else:
                self.append(number, pcm, state, chunks=chunks, error=error)

        await self._retry(append)

    async def keep_input(self, number: int, chunk: bytes) -> None:
        """Keep and count a chunk of raw input: its PCM can be made from it again."""

        async def keep_input() -> None:
            offset = self.stream(number).kept_bytes
            if len(chunk) > _LARGE_BYTES:
                await _in_thread(self._recording.keep_input, number, offset, chunk)
            else:
                self._recording.keep_input(number, offset, chunk)
            self.append(number, b"", b"", chunks=1, kept_bytes=len(chunk))

        await self._retry(keep_input)

    async def fail(self, number: int, state: bytes, error: Exception) -> None:
        """Note that the stream cannot be decoded: its decoder is in ``state`` for good."""
        await self.append_persistently(number, b"", state, error=_text(error))
        self._recording.drop_input(number)

    async def remove_stream(self, number: int, error: Exception | None) -> None:
        """Note that the stream has ended, with ``error`` if not all of it could be decoded."""
        text = "" if error is None else _text(error)
        last = self._recording.checkpoint
        if last.without(number, error=text) == last:
            return

        async def remove_stream() -> None:
            self._recording.append(b"", self._recording.checkpoint.without(number, error=text))
            self._appended()

        await self._retry(remove_stream)
        self._recording.drop_input(number)

    async def complete(self, at: datetime) -> Manifest:
        """Complete the recording, and try again while the storage fails."""
        return await self._retry(lambda: self._recording.complete(at))

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
                logger.error("%s: storage failed, giving up: %s", self.session_id, failure)  # noqa: TRY400
                self._failure = failure
                self._gave_up(failure)
                raise

    def _log_failure(self, error: Exception, delay_seconds: float) -> None:
        logger.warning(
            "%s: storage failed, next try in %.2f s: %s", self.session_id, delay_seconds, error
        )


def _text(error: Exception) -> str:
    return str(error).encode()[:_MAX_ERROR_BYTES].decode(errors="ignore")


async def _in_thread(write: Callable[..., None], *arguments: object) -> None:
    """Return when it is written, even if cancelled: the file must not be closed before."""
    writing = asyncio.ensure_future(asyncio.to_thread(write, *arguments))
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait([writing])
        raise
