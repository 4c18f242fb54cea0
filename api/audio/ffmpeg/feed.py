"""One input stream on its way into ffmpeg: it waits for the start, goes through a framer, ends."""

import asyncio

from api.audio.ffmpeg.decoder import Emit, FfmpegDecoder
from api.audio.ffmpeg.launcher import DecoderLauncher
from api.audio.formats import DecodeError
from api.audio.framing.framer import Framer
from storage.pcm import Buffer, PcmFormat

_SLICE_BYTES = 64 * 1024

# What may arrive while ffmpeg starts, before the socket is slowed down.
_MAX_QUEUED_BYTES = 1024 * 1024


class FfmpegFeed:
    """Starts a decoder in the background and feeds it. Ends with `finish` or `abort`.

    No chunk has to wait for the start to be acknowledged.
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
        """``head`` is the beginning of the stream; ``emit`` gets the PCM in whole frames."""
        self._framer = framer
        self._queued = bytearray(head)  # for the decoder that is starting
        self._decoder: FfmpegDecoder | None = None
        self._start = asyncio.create_task(
            self._started(launcher, demuxer, pcm_format, emit), name="decoder-start"
        )

    async def feed(self, data: Buffer) -> None:
        """Hand ``data`` on. Raises what `FfmpegDecoder.feed` raises, ``OSError`` without ffmpeg."""
        if not self._start.done():
            self._queued += data
            if len(self._queued) < _MAX_QUEUED_BYTES:
                return
            data = b""
        await self._pass_on(await asyncio.shield(self._start), data)

    async def finish(self) -> None:
        """End the input; return when all of its PCM was emitted.

        Raises :class:`DecodeError` for audio that was lost, and what :meth:`feed` raises.
        """
        decoder = await self._start
        if self._framer is not None:
            await decoder.feed(self._framer.finish())
        await decoder.finish()
        if self._framer is not None and self._framer.skipped_bytes:
            raise DecodeError(f"{self._framer.skipped_bytes} damaged bytes were skipped")

    async def abort(self) -> None:
        """End the process now, whether it has started or not. May be called again."""
        self._start.cancel()
        await asyncio.gather(self._start, return_exceptions=True)
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            await decoder.kill()

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
            # Other tasks run between two slices, whatever input was made to cost the framer.
            await asyncio.sleep(0)
            await decoder.feed(self._framer.feed(data[start : start + _SLICE_BYTES]))
