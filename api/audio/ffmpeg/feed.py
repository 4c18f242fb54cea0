"""The path of one input stream into ffmpeg: buffered during the start, framed, written."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

from api.audio.detection import detect
from api.audio.ffmpeg.decoder import Emit, EmitNow, FfmpegDecoder
from api.audio.ffmpeg.launcher import DecoderLauncher
from api.audio.formats import DecodeError, DecoderLostError
from api.audio.framing.framer import Framer
from storage.pcm import Buffer, PcmFormat

_SLICE_BYTES = 64 * 1024
_SLICE_SECONDS = 0.003

# A chunk of this size is framed at once: much less than a slice, and more than live audio has.
_IMMEDIATE_BYTES = 16 * 1024

# Input buffered while ffmpeg starts; at this size the socket is slowed down.
_MAX_QUEUED_BYTES = 1024 * 1024


class FfmpegFeed:
    """Starts a decoder in the background and feeds it. Ends with `finish` or `abort`.

    The start is in the background so that chunks are acknowledged without waiting for it.
    """

    def __init__(
        self,
        launcher: DecoderLauncher,
        demuxer: str,
        framer: Framer | None,
        pcm_format: PcmFormat,
        emit: Emit,
        emit_now: EmitNow | None = None,
    ) -> None:
        """Start the decoder, to which ``emit`` and ``emit_now`` are passed."""
        self._framer = framer
        self._next_file: bytes | None = None
        self._skipped: DecodeError | None = None
        self._failure: DecodeError | None = None  # ffmpeg has ended before the input
        self._head = b""  # of the file that begins behind the failure
        self._behind = bytearray()  # its elements so far
        self._queued = bytearray()  # for the decoder that is starting
        self._unpassed: Iterator[Buffer] | None = None  # what `feed_now` has left
        self._decoder: FfmpegDecoder | None = None
        self._start = asyncio.create_task(
            self._started(partial(launcher.start, demuxer, pcm_format, emit, emit_now)),
            name="decoder-start",
        )

    @property
    def finds_files(self) -> bool:
        """Return whether the framer would find a new file that begins now."""
        return self._framer is not None and self._framer.finds_files

    @property
    def next_file(self) -> bytes | None:
        """Return the bytes that belong to a new file; None while none has begun."""
        return self._next_file

    @property
    def damage(self) -> DecodeError | None:
        """Return the first damage in the input, as soon as it is known; the same object always."""
        if self._decoder is not None and self._decoder.damage is not None:
            return self._decoder.damage
        if self._failure is not None:
            return self._failure
        if self._skipped is None and self._framer is not None and self._framer.skipped_bytes:
            self._skipped = DecodeError("damaged bytes were skipped; the audio in them is missing")
        return self._skipped

    async def feed(self, data: Buffer) -> None:
        """Pass ``data`` to ffmpeg, up to the beginning of a new file.

        If ffmpeg exits because of its input, a new file begins with the next element that is not
        damaged, if that can be decoded alone. What ffmpeg had not decoded is lost.

        Raises what `FfmpegDecoder.feed` raises, and ``OSError`` if ffmpeg cannot be started.
        """
        if await self._pass_rest(data):
            return
        if self._framer is None:
            await self._pass_on(data)
            return
        for start in range(0, len(data), _SLICE_BYTES):
            await self._pass_framed(self._framer.feed(data[start : start + _SLICE_BYTES]))
            if self._ends_file(self._framer, data[start + _SLICE_BYTES :]):
                return

    def takes_now(self, size_bytes: int) -> bool:
        """Return whether :meth:`feed_now` may be called for a chunk of ``size_bytes``."""
        return size_bytes <= _IMMEDIATE_BYTES and self._failure is None

    def feed_now(self, data: Buffer) -> bool:
        """Do what :meth:`feed` does, if nothing has to be awaited.

        On False, call ``feed(b"")`` next, which does the rest.
        """
        if self._framer is None:
            pieces: Iterator[Buffer] = iter(())
            framed: Buffer = data
        else:
            pieces = self._framer.feed(data)
            framed = _joined(pieces)
        ends_file = self._framer is not None and self._framer.next_file is not None
        more = next(pieces, None)
        if more is None and not ends_file and self._pass_on_now(framed):
            return True
        self._unpassed = itertools.chain([framed, more or b""], pieces)
        return False

    async def finish(self, *, is_cut: bool = False) -> None:
        """End the input; return after all of its PCM was emitted.

        The end of the input may reveal a new file. ``is_cut``: the service has cut it.

        Raises :class:`DecodeError` for audio that was lost, and what :meth:`feed` raises.
        """
        await self._pass_rest(b"")
        if self._framer is not None:
            if is_cut:
                self._framer.cut()
            await self._pass_framed(self._framer.finish())
            self._next_file = self._framer.next_file or self._next_file
        if self._failure is not None:
            raise self._failure
        decoder = await self._wait_started()
        await decoder.finish()
        if self.damage is not None:
            raise self.damage

    async def abort(self) -> None:
        """Kill the process, also while it starts or is fed. Idempotent."""
        self._start.cancel()
        await asyncio.gather(self._start, return_exceptions=True)
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            await decoder.kill()

    async def _pass_rest(self, following: Buffer) -> bool:
        """Pass on what :meth:`feed_now` has left. Return whether a new file ends the input there.

        The bytes of the new file are then in front of those ``following``.
        """
        unpassed, self._unpassed = self._unpassed, None
        if unpassed is None:
            return False
        await self._pass_framed(unpassed)
        return self._framer is not None and self._ends_file(self._framer, following)

    def _ends_file(self, framer: Framer, following: Buffer) -> bool:
        """Return whether a new file has begun; its bytes continue with those ``following``."""
        if framer.next_file is not None:
            self._next_file = framer.next_file + bytes(following)
        elif self._has_restart():
            self._next_file = self._head + bytes(self._behind) + framer.unframed + bytes(following)
        else:
            return False
        return True

    async def _wait_started(self) -> FfmpegDecoder:
        await asyncio.wait([self._start])
        if self._start.cancelled():
            raise DecoderLostError("the decoder was aborted")
        return self._start.result()

    async def _started(self, start: Callable[[], Awaitable[FfmpegDecoder]]) -> FfmpegDecoder:
        decoder = self._decoder = await start()
        while self._queued:
            data = bytes(self._queued)
            self._queued.clear()
            await decoder.feed(data)
        return decoder

    async def _pass_framed(self, pieces: Iterator[Buffer]) -> None:
        """Pass the ``pieces`` on together; let other tasks run if they take long.

        Hostile input can make a framer slow.
        """
        framed = _joined(pieces)
        while (piece := next(pieces, None)) is not None:
            await asyncio.sleep(0)
            framed += piece
            framed += _joined(pieces)
        if self._failure is not None:
            self._behind += framed
        elif framed:
            try:
                await self._pass_on(framed)
            except DecodeError as error:
                if not self._restarts():
                    raise
                self._failure = error

    def _restarts(self) -> bool:
        """Begin a new file if ffmpeg has decoded a part of this one and the framer can restart."""
        if self._decoder is None or not self._decoder.has_ended_early or self._framer is None:
            return False
        head = self._framer.restart()
        self._head = head or b""
        return head is not None

    def _has_restart(self) -> bool:
        """Return whether the elements behind a failure are enough to detect their format."""
        if self._failure is None or not self._behind:
            return False
        kind = detect(self._head + self._behind, "wav")
        if kind == "pcm_s16le":  # these frames are not of one stream
            self._behind.clear()
        return kind not in {None, "pcm_s16le"}

    def _pass_on_now(self, data: Buffer) -> bool:
        """Pass ``data`` on if nothing has to be awaited."""
        if not data:
            return True
        if self._start.done():
            return self._decoder is not None and self._decoder.feed_now(data)
        if len(self._queued) + len(data) >= _MAX_QUEUED_BYTES:
            return False
        self._queued += data
        return True

    async def _pass_on(self, data: Buffer) -> None:
        if not self._start.done():
            self._queued += data
            if len(self._queued) < _MAX_QUEUED_BYTES:
                return
            data = b""
        await (await self._wait_started()).feed(data)


def _joined(pieces: Iterator[Buffer]) -> bytearray:
    """Return the next ``pieces``, as many as a slice of time allows; the iterator has the rest."""
    # Not the clock of the loop: that of uvloop stands still within an iteration.
    end, framed = time.perf_counter() + _SLICE_SECONDS, bytearray()
    for piece in pieces:
        framed += piece
        if time.perf_counter() > end:
            break
    return framed
