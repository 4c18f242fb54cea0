"""One session: audio in order, from several connections, one way from creation to completion."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, cast
from uuid import UUID

from api.audio.detection import SIGNATURE_BYTES, begins_file
from api.audio.ffmpeg.launcher import DecoderLauncher
from api.audio.formats import DecodeError, InputKind
from api.audio.input_stream import InputStream
from api.clock import Clock
from api.session.connection import Connection
from api.session.info import session_info
from api.session.ledger import Ledger
from api.wire.errors import (
    ConnectionReplacedError,
    SessionCompletedError,
    SessionDeletedError,
    TooManyConnectionsError,
)
from api.wire.messages import SessionCounts, SessionInfo
from storage.base import Recording
from storage.errors import FencedError, StorageUnavailableError
from storage.pcm import Buffer

logger = logging.getLogger(__name__)


class Session:
    """An active session, driven by its connections on one event loop."""

    def __init__(
        self,
        recording: Recording,
        *,
        location: str,
        max_connections: int,
        ffmpeg: DecoderLauncher,
        clock: Clock,
        gone: Callable[["Session"], None],
    ) -> None:
        self.session_id = UUID(recording.manifest.session_id)
        self.recording = recording
        self.idle_since = clock.monotonic()
        self.waiting_since = clock.monotonic()
        self.gone = asyncio.Event()
        self._ledger = Ledger(recording, self._give_up)
        self.progress = self._ledger.progress
        self._location = location
        self._max_connections = max_connections
        self._ffmpeg = ffmpeg
        self._clock = clock
        self._on_gone = gone
        self._streams: dict[Connection, InputStream] = {}
        self._detached: InputStream | None = None
        self._open: set[InputStream] = set()  # all that have not ended, wherever they are
        self._last_number = self._ledger.last_stream_number
        self._ending: asyncio.Task[None] | None = None
        self.is_completed = False
        self._listeners = 0
        recording.watch(lambda: self._give_up(FencedError(str(self.session_id))))

    @property
    def chunk_count(self) -> int:
        return self._ledger.progress()[0]

    @property
    def persisted_chunk_count(self) -> int:
        return self._ledger.progress()[1]

    @property
    def duration_seconds(self) -> float:
        return self._ledger.progress()[2]

    @property
    def connections(self) -> list[Connection]:
        return list(self._streams)

    @property
    def is_ending(self) -> bool:
        return self._ending is not None

    def info(self) -> SessionInfo:
        return session_info(
            self.recording.manifest.advanced_to(self.recording.checkpoint),
            persisted_chunk_count=self.persisted_chunk_count,
            unpersisted=self.recording.unpersisted,
            connections=len(self._streams),
            location=self._location,
        )

    def counts(self) -> SessionCounts:
        return SessionCounts(str(self.session_id), *self.progress())

    async def attach(self, connection: Connection) -> None:
        """Begin a new input stream for ``connection``."""
        self._must_be_active()
        self._must_have_room()
        self._streams[connection] = self._new_stream()
        await self.end_detached()

    async def resume(self, connection: Connection) -> None:
        """Continue the input stream of the connection that dropped, or that is half open."""
        self._must_be_active()
        while self._detached is None and self._streams:
            previous = list(self._streams)[-1]
            await previous.end(ConnectionReplacedError())
            await previous.wait_received()
            self._must_be_active()
        self._must_have_room()
        stream, self._detached = self._detached, None
        self._streams[connection] = stream or self._new_stream()

    async def detach(self, connection: Connection) -> None:
        """The connection is gone. Its stream waits to be resumed."""
        stream = self._streams.pop(connection, None)
        if stream is None or self._ending is not None:
            return
        self.idle_since = self._clock.monotonic()
        if stream.begun:
            self.waiting_since = self.idle_since
            stream, self._detached = self._detached, stream
        await self._end_waiting(stream)

    async def receive(self, connection: Connection, chunk: bytes) -> None:
        """Record one chunk. When this returns, it survives the death of the process.

        Raises :class:`DecodeError` for a chunk that counts as received but is not audio,
        `StorageUnavailableError` for one that does not count because it could not be
        written, :class:`SessionCompletedError` for one that came too late.
        """
        stream = self._streams.get(connection)
        if stream is None or self._ending is not None:
            raise SessionCompletedError(str(self.session_id))
        if (
            stream.passthrough
            and len(chunk) >= SIGNATURE_BYTES
            and not stream.held
            and not begins_file(chunk)
            and not stream.lock.locked()
            and self._ledger.takes_at_once(len(chunk))
        ):
            # Nearly every chunk of PCM. Nothing is awaited, so nothing needs to be locked.
            pcm = stream.passthrough.feed(chunk)
            state = stream.passthrough.state()
            try:
                self._ledger.append(stream.number, pcm, state, chunks=1)
            except StorageUnavailableError:
                async with stream.lock:
                    await self._ledger.append_persistently(stream.number, pcm, state, chunks=1)
            return
        async with stream.lock:
            self._must_be_active()
            if stream.begun and (begins_file(chunk) or begins_file(stream.held + chunk)):
                if not begins_file(chunk):
                    chunk, stream.held = stream.held + chunk, b""
                await self._end_stream(stream)
                stream.restart(self._new_number())
                self._open.add(stream)
            try:
                await self._decode(stream, chunk)
            except DecodeError as error:
                await self._fail(stream, error)
                raise
            except Exception as error:
                # What the decoder had in hand is in doubt, what was written is not.
                self._give_up(error)
                raise

    async def flush(self) -> None:
        """Return when all chunks received so far are persisted."""
        await self.recording.flush()

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """While somebody hears it. Raises :class:`TooManyConnectionsError`."""
        if self._listeners >= self._max_connections:
            raise TooManyConnectionsError(self._max_connections)
        self._listeners += 1
        try:
            yield
        finally:
            self._listeners -= 1

    async def wait_for_more(self, pcm_bytes: int) -> None:
        """Return when more than that is recorded, or the session is gone."""
        while not self.gone.is_set() and self.recording.checkpoint.pcm_bytes <= pcm_bytes:
            await self._ledger.wait_for_news()

    async def end_detached(self) -> None:
        """Nobody will resume the stream that waits: take what is left of it."""
        stream, self._detached = self._detached, None
        await self._end_waiting(stream)

    async def restore(self) -> None:
        """Take up the streams that were open when the recording's last writer died."""
        for saved in self.recording.checkpoint.streams:
            await self.end_detached()
            self._detached = stream = self._stream(saved.number)
            try:
                await stream.restore(saved, self.recording.read_input(saved.number))
            except DecodeError as error:
                await self._fail(stream, error)

    async def close(self) -> None:
        """Complete the recording. Idempotent; goes on when the caller is cancelled.

        Where the session was being let go already it is not completed: see ``is_completed``.
        """
        await self._end_once(self._complete)

    async def delete(self) -> None:
        """Let go of the recording because it will be deleted."""
        await self._end_once(lambda: self._let_go(SessionDeletedError(str(self.session_id))))

    async def release(self) -> None:
        """Let go of the recording so that it can be opened again, here or elsewhere."""
        await self._end_once(lambda: self._let_go(None))

    async def _decode(self, stream: InputStream, chunk: bytes) -> None:
        if stream.passthrough is not None:
            pcm = await stream.feed(chunk)
            await self._ledger.append_persistently(stream.number, pcm, stream.state, chunks=1)
            return
        if stream.has_failed:
            await self._ledger.append_persistently(stream.number, b"", stream.state, chunks=1)
        else:
            await self._ledger.keep(stream.number, chunk)
        await self._emit(stream, await stream.feed(chunk))

    async def _fail(self, stream: InputStream, error: DecodeError) -> None:
        self._ledger.report(error)
        await self._ledger.fail(stream.number, stream.state)

    async def _emit(self, stream: InputStream, pcm: Buffer) -> None:
        if pcm:
            await self._ledger.append_persistently(stream.number, pcm, stream.state)

    async def _end_waiting(self, stream: InputStream | None) -> None:
        if stream is not None:
            async with stream.lock:
                await self._end_stream(stream)

    async def _end_stream(self, stream: InputStream) -> None:
        """Take the rest of ``stream`` and forget it. The caller holds its lock."""
        try:
            pcm = await stream.finish()
        except DecodeError as error:
            logger.warning("%s: the end of an input stream: %s", self.session_id, error)
            self._ledger.report(error)
            pcm = b""
        except Exception as error:
            self._give_up(error)
            raise
        await self._emit(stream, pcm)
        await self._ledger.forget(stream.number)
        self._open.discard(stream)

    async def _end_once(self, end: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if self._ending is None:
            self._ending = asyncio.create_task(end(), name=f"end-{self.session_id}")
        await asyncio.shield(self._ending)

    async def _complete(self) -> None:
        try:
            for stream in self._open_in_order():
                await self._end_waiting(stream)
            manifest = await self._ledger.complete(self._clock.now())
        except Exception as error:
            await self._let_go(error)
            raise
        self.is_completed = True
        info = session_info(manifest, location=self._location)
        await self._tell(lambda connection: connection.end_completed(info))
        self._leave()

    async def _let_go(self, error: Exception | None) -> None:
        try:
            if error is not None:
                await self._tell(lambda connection: connection.end(error))
            for stream in self._open_in_order():
                async with stream.lock:
                    await stream.abort()
            await self.recording.release()
        except Exception:
            # Whoever takes the session up again begins at what was written.
            logger.exception("%s was not let go in order", self.session_id)
        finally:
            self._leave()

    async def _tell(self, message: Callable[[Connection], Coroutine[Any, Any, None]]) -> None:
        told = await asyncio.gather(*map(message, self._streams), return_exceptions=True)
        for failure in filter(None, told):
            logger.error("%s: a connection could not be told", self.session_id, exc_info=failure)

    def _open_in_order(self) -> list[InputStream]:
        return sorted(self._open, key=lambda stream: stream.number)

    def _leave(self) -> None:
        self._streams.clear()
        self._detached = None
        self._on_gone(self)
        self.gone.set()
        self._ledger.tell_news()

    def _give_up(self, error: Exception) -> None:
        if self._ending is None:
            self._ending = asyncio.create_task(
                self._let_go(error), name=f"give-up-{self.session_id}"
            )

    def _new_stream(self) -> InputStream:
        return self._stream(self._new_number())

    def _new_number(self) -> int:
        self._last_number += 1
        return self._last_number

    def _stream(self, number: int) -> InputStream:
        manifest = self.recording.manifest
        stream = InputStream(
            number,
            cast("InputKind", manifest.format),
            manifest.pcm_format,
            ffmpeg=self._ffmpeg,
            emit=self._emit,
        )
        self._open.add(stream)
        return stream

    def _must_be_active(self) -> None:
        if self._ending is not None:
            raise SessionCompletedError(str(self.session_id))

    def _must_have_room(self) -> None:
        if len(self._streams) >= self._max_connections:
            raise TooManyConnectionsError(self._max_connections)
