"""The path of one input stream into ffmpeg: buffered during the start, framed, written."""

import asyncio

from api.audio.ffmpeg.decoder import Emit, FfmpegDecoder
from api.audio.ffmpeg.launcher import DecoderLauncher
from api.audio.formats import DecodeError, DecoderLostError
from api.audio.framing.framer import Framer
from storage.pcm import Buffer, PcmFormat

_SLICE_BYTES = 64 * 1024

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
        head: bytes,
    ) -> None:
        """Start the decoder; ``head`` is the beginning of the stream.

        ``emit`` receives the PCM in whole frames.
        """
        self._framer = framer
        self._queued = bytearray(head)  # for the decoder that is starting
        self._decoder: FfmpegDecoder | None = None
        self._start = asyncio.create_task(
            self._started(launcher, demuxer, pcm_format, emit), name="decoder-start"
        )

    async def feed(self, data: Buffer) -> None:
        """Pass ``data`` to ffmpeg.

        Raises what `FfmpegDecoder.feed` raises, and ``OSError`` if ffmpeg cannot be started.
        """
        if not self._start.done():
            self._queued += data
            if len(self._queued) < _MAX_QUEUED_BYTES:
                return
            data = b""
        await self._pass_on(await self._wait_started(), data)

    async def finish(self) -> None:
        """End the input; return after all of its PCM was emitted.

        Raises :class:`DecodeError` for audio that was lost, and what :meth:`feed` raises.
        """
        decoder = await self._wait_started()
        if self._framer is not None:
            await decoder.feed(self._framer.finish())
        await decoder.finish()
        if self._framer is not None and self._framer.skipped_bytes:
            raise DecodeError(f"{self._framer.skipped_bytes} damaged bytes were skipped")

    async def abort(self) -> None:
        """Kill the process, also while it starts or is fed. Idempotent."""
        self._start.cancel()
        await asyncio.gather(self._start, return_exceptions=True)
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            await decoder.kill()

    async def _wait_started(self) -> FfmpegDecoder:
        await asyncio.wait([self._start])
        if self._start.cancelled():
            raise DecoderLostError("the decoder was aborted")
        return self._start.result()

    async def _started(
        self, launcher: DecoderLauncher, demuxer: str, pcm_format: PcmFormat, emit: Emit
    ) -> FfmpegDecoder:
        decoder = self._decoder = await launcher.start(demuxer, pcm_format, emit)
        while self._queued:
            data = bytes(self._queued)
            self._queued.clear()
            await self._pass_on(decoder, data)
        return decoder

    async def _pass_on(self, decoder: FfmpegDecoder, data: Buffer) -> None:
        if self._framer is None:
            await decoder.feed(data)
            return
        for start in range(0, len(data), _SLICE_BYTES):
            # Hostile input can make the framer slow; other tasks run between two slices.
            await asyncio.sleep(0)
            await decoder.feed(self._framer.feed(data[start : start + _SLICE_BYTES]))
