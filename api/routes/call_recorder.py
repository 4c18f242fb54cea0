"""Records what one connection of a platform says in the session of its call."""

import asyncio
import contextlib
from collections.abc import Iterable

from api.audio.formats import DecodeError
from api.dialects.events import Audio, Begin, Dtmf, Event, Gap, Malformed, Mark, Pause, Resume
from api.dialects.pcm import CallDecoder
from api.dialects.tracks import Tracks
from api.routes.call_socket import CallSocket
from api.session.parameters import mark_label
from api.session.session import Session
from api.wire.errors import InvalidParameterError, SessionCompletedError, TooManyMarksError
from storage.timeline import MAX_LABEL_CHARACTERS

_LARGE_BYTES = 64 * 1024
_MAX_WARNINGS = 5  # of messages that cannot be read


class CallRecorder:
    """Decodes and merges the audio of one connection, and appends it to the session."""

    def __init__(
        self,
        connection: CallSocket,
        session: Session,
        begin: Begin,
        *,
        max_gap_seconds: float,
        continued_at: int | None,
    ) -> None:
        """``continued_at``: see `Tracks`. The connection has joined the session."""
        self.session = session
        self._connection = connection
        self._clock = connection.clock
        self._began = connection.clock.monotonic()
        self._sample_rate = begin.sample_rate
        self._has_stream = begin.encoding == "g722"  # which the session decodes
        self._decoder = CallDecoder(begin)
        self._tracks = Tracks(
            begin.tracks,
            width=begin.width,
            sample_rate=begin.sample_rate,
            max_gap_seconds=max_gap_seconds,
            continued_at=continued_at,
        )
        self._malformed = 0  # messages
        self._turn = asyncio.Lock()  # the session may end while a message is being recorded
        self._has_summary = False
        self._is_paused = False  # by the platform

    async def record(self, event: Event) -> None:
        """Record ``event``. Raises `SessionCompletedError`, and what a session raises."""
        async with self._turn:
            await self._record(event)

    async def finish(self) -> None:
        """Record everything that waits for later messages. Idempotent."""
        async with self._turn:
            with contextlib.suppress(SessionCompletedError):
                await self._finish()

    async def _record(self, event: Event) -> None:
        match event:
            case Audio():
                traffic = self._connection.metrics.traffic
                traffic.received_bytes += len(event.data)
                traffic.chunks += 1
                if self._has_stream:
                    await self._append([event.data])
                else:
                    await self._add(self._decoder.decode(event))
            case Gap() if self._is_paused:
                pass  # the timeline has the pause
            case Gap(frames, cause):
                await self._add(self._decoder.flush())
                elapsed_seconds = self._clock.monotonic() - self._began
                gap = self._tracks.skip(frames, cause, elapsed_seconds=elapsed_seconds)
                await self._append(gap)
            case Malformed(reason):
                await self._warn_of_message(reason)
            case Pause():
                await self._append_waiting()
                self._is_paused = True
                await self.session.pause()
            case Resume():
                await self.session.resume_recording()
                self._is_paused = False
            case Mark(name):
                await self._mark(name)
            case Dtmf():
                pass  # keys are not kept: callers type the numbers of their cards

    async def _finish(self) -> None:
        await self._append_waiting()
        if self._has_summary:
            return
        self._has_summary = True
        for notice in self._tracks.summary():
            await self.session.warn(notice.code, notice.text)
        if self._malformed > _MAX_WARNINGS:
            text = f"{self._malformed} messages of the platform could not be read"
            await self.session.warn("call_message_malformed", text)

    async def _append_waiting(self) -> None:
        """Record what waits for later messages."""
        await self._add(self._decoder.flush())
        await self._append(self._tracks.flush())

    async def _mark(self, name: str) -> None:
        """Add a mark to the timeline, if the text of the platform can be a label."""
        with contextlib.suppress(InvalidParameterError, TooManyMarksError):
            await self.session.mark(mark_label(name[:MAX_LABEL_CHARACTERS]))

    async def _add(self, decoded: list[Audio]) -> None:
        for audio in decoded:
            elapsed_seconds = self._clock.monotonic() - self._began
            await self._append(self._tracks.add(audio, elapsed_seconds=elapsed_seconds))

    async def _append(self, blocks: Iterable[bytes]) -> None:
        session, connection = self.session, self._connection
        for pcm in blocks:
            connection.is_recording = True
            try:
                if not session.receive_now(connection, pcm):
                    await session.receive(connection, pcm)
                if len(pcm) >= _LARGE_BYTES:  # of a long silence: let others run in between
                    await asyncio.sleep(0)
            except DecodeError:
                pass  # the session has a warning of it
            finally:
                connection.is_recording = False
        for notice in self._tracks.take_notices():
            await session.warn(notice.code, notice.text)

    async def _warn_of_message(self, reason: str) -> None:
        self._malformed += 1
        if self._malformed <= _MAX_WARNINGS:
            await self.session.warn("call_message_malformed", reason)
