"""What a session has recorded: bytes and the counts that go with them, written together.

The recording's checkpoint is the only truth. Every count that a client is told is read
from it, and it moves only when the bytes it counts were written.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

from storage.base import Recording
from storage.checkpoint import Checkpoint, StreamCheckpoint
from storage.errors import StorageUnavailableError
from storage.manifest import Manifest
from storage.pcm import Buffer

logger = logging.getLogger(__name__)

# Storage that fails is tried again after each of these; then it is given up.
_RETRY_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0)

# More is written in a thread: the kernel makes those wait who write faster than the disk.
_LARGE_BYTES = 256 * 1024

_NOTHING = StreamCheckpoint(0, 0, 0, b"")

# An error is text from ffmpeg, and a checkpoint has little room.
_MAX_ERROR_BYTES = 200

T = TypeVar("T")


class Ledger:
    """Writes to one recording, and goes on trying while the storage fails.

    ``gave_up`` is called once, when trying came to its end; from then on nothing is written.
    """

    def __init__(
        self, recording: Recording, gave_up: Callable[[StorageUnavailableError], None]
    ) -> None:
        self.recording = recording
        self._gave_up = gave_up
        self._bytes_per_second = recording.manifest.pcm_format.bytes_per_second
        self._streams = {stream.number: stream for stream in recording.checkpoint.streams}
        self._error = recording.checkpoint.error
        self._failure: StorageUnavailableError | None = None
        self._curious: set[asyncio.Future[None]] = set()
        self._writing = asyncio.Lock()  # held by what may take a while

    def progress(self) -> tuple[int, int, float]:
        """Chunks received, chunks persisted, seconds recorded: what goes with every answer."""
        checkpoint = self.recording.checkpoint
        seconds = checkpoint.pcm_bytes / self._bytes_per_second
        return checkpoint.chunk_count, self.recording.persisted.chunk_count, seconds

    def takes_at_once(self, size_bytes: int) -> bool:
        """Whether :meth:`append` may be called for so much, now."""
        return size_bytes <= _LARGE_BYTES and not self._writing.locked()

    @property
    def last_stream_number(self) -> int:
        """The highest number that any checkpoint of the recording may still name."""
        checkpoints = (self.recording.checkpoint, self.recording.persisted)
        return max((s.number for c in checkpoints for s in c.streams), default=0)

    def append(
        self,
        stream: int,
        pcm: Buffer,
        state: bytes,
        *,
        chunks: int = 0,
        kept_bytes: int = 0,
        ahead_bytes: int = 0,
    ) -> None:
        """Write ``pcm`` of ``stream`` and what it counts for, now or not at all.

        ``state`` is what the stream's decoder needs to go on after it, if it passes through;
        ``ahead_bytes`` of PCM were written ahead of ``pcm``. Raises `StorageUnavailableError`,
        and then nothing has changed.
        """
        last, before = self.recording.checkpoint, self._streams.get(stream, _NOTHING)
        pcm_bytes = ahead_bytes + len(pcm)
        if state:
            after = StreamCheckpoint(stream, 0, 0, state)
        else:
            kept_bytes += before.kept_bytes
            after = StreamCheckpoint(stream, kept_bytes, before.pcm_bytes + pcm_bytes, b"")
        streams = {**self._streams, stream: after}
        counts = last.chunk_count + chunks, last.pcm_bytes + pcm_bytes
        self.recording.append(pcm, Checkpoint(*counts, tuple(streams.values()), self._error))
        self._streams = streams
        if self._curious:
            self.tell_news()

    async def wait_for_news(self) -> None:
        """Return when something was written, or the session is gone."""
        news = asyncio.get_running_loop().create_future()
        self._curious.add(news)
        try:
            await news
        finally:
            self._curious.discard(news)

    def tell_news(self) -> None:
        for news in self._curious:
            if not news.done():
                news.set_result(None)

    async def append_persistently(
        self, stream: int, pcm: Buffer, state: bytes, *, chunks: int = 0
    ) -> None:
        """The same, however large ``pcm`` is, and tried again while the storage fails."""
        is_large = len(pcm) > _LARGE_BYTES

        async def append() -> None:
            if is_large:
                await _in_thread(self.recording.write_ahead, pcm)
                self.append(stream, b"", state, chunks=chunks, ahead_bytes=len(pcm))
            else:
                self.append(stream, pcm, state, chunks=chunks)

        await self._persevere(append)

    async def keep(self, stream: int, chunk: bytes) -> None:
        """Keep and count a chunk of raw input: whatever comes of it can be made again."""
        offset = self._streams.get(stream, _NOTHING).kept_bytes

        async def keep() -> None:
            if len(chunk) > _LARGE_BYTES:
                await _in_thread(self.recording.keep_input, stream, offset, chunk)
            else:
                self.recording.keep_input(stream, offset, chunk)
            self.append(stream, b"", b"", chunks=1, kept_bytes=len(chunk))

        await self._persevere(keep)

    def report(self, error: Exception) -> None:
        """What could not be decoded; it is written with whatever is written next."""
        self._error = str(error).encode()[:_MAX_ERROR_BYTES].decode(errors="ignore")

    async def fail(self, stream: int, state: bytes) -> None:
        """Nothing more will come of the stream, whose decoder is in ``state`` for good."""
        await self.append_persistently(stream, b"", state)
        self.recording.drop_input(stream)

    async def forget(self, stream: int) -> None:
        """The stream has ended: nothing of it is needed any more."""
        if stream not in self._streams:
            return

        async def forget() -> None:
            last = self.recording.checkpoint
            streams = {number: s for number, s in self._streams.items() if number != stream}
            counts = last.chunk_count, last.pcm_bytes
            self.recording.append(b"", Checkpoint(*counts, tuple(streams.values()), self._error))
            self._streams = streams

        await self._persevere(forget)
        self.recording.drop_input(stream)

    async def complete(self, at: datetime) -> Manifest:
        return await self._persevere(lambda: self.recording.complete(at))

    async def _persevere(self, action: Callable[[], Awaitable[T]]) -> T:
        async with self._writing:
            for delay_seconds in (*_RETRY_SECONDS, None):
                if self._failure is not None:
                    raise self._failure
                try:
                    return await action()
                except StorageUnavailableError as error:
                    failure = error
                if delay_seconds is not None:
                    logger.warning("storage failed, trying again: %s", failure)
                    await asyncio.sleep(delay_seconds)
            logger.error("storage failed, giving up: %s", failure)
            self._failure = failure
            self._gave_up(failure)
            raise failure


async def _in_thread(write: Callable[..., None], *arguments: object) -> None:
    """Return when it is written, whoever is cancelled: the file must not be closed before."""
    writing = asyncio.ensure_future(asyncio.to_thread(write, *arguments))
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait([writing])
        raise
