"""One recorder's bytes on their way to PCM.

An input stream outlives the connection that carried it. It waits until its first bytes
tell what they are, then decodes until it is finished. It owns neither the socket nor the
recording: what it decodes it returns, or hands to ``emit`` when ffmpeg has it ready.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from api.audio.decoder import Passthrough, choose
from api.audio.detect import InputKind
from api.audio.ffmpeg import DecoderLostError, FfmpegDecoder
from api.audio.framing import AdtsFramer, Framer, Mp4Framer
from api.errors import DecodeError
from storage.base import Buffer
from storage.checkpoint import StreamCheckpoint
from storage.wav import PcmFormat

_SLICE_BYTES = 64 * 1024
_FRAMERS: dict[InputKind, type[AdtsFramer | Mp4Framer]] = {"aac": AdtsFramer, "mp4": Mp4Framer}

Emit = Callable[["InputStream", Buffer], Awaitable[None]]


class InputStream:
    """Decodes one stream. What it decoded is counted where it is stored, not here.

    Once it turns out to be PCM as it should be, ``passthrough`` is all it takes.
    """

    def __init__(
        self,
        number: int,
        declared: InputKind,
        pcm_format: PcmFormat,
        *,
        ffmpeg_loglevel: str,
        emit: Emit,
    ) -> None:
        self.lock = asyncio.Lock()  # held by whoever feeds or ends it
        self._declared = declared
        self._pcm_format = pcm_format
        self._ffmpeg_loglevel = ffmpeg_loglevel
        self._emit = emit
        self.restart(number)

    def restart(self, number: int) -> None:
        """Forget the finished stream and be the next one."""
        self.number = number
        self._head = bytearray()
        self._tried_bytes = 0
        self.passthrough: Passthrough | None = None
        self._ffmpeg: FfmpegDecoder | None = None
        self._framer: Framer | None = None
        self._failure: DecodeError | None = None
        self._replayed_bytes = 0
        self._restored = False

    @property
    def begun(self) -> bool:
        """Whether any byte of it has arrived."""
        return bool(self._head or self.passthrough or self._ffmpeg or self._failure)

    @property
    def has_failed(self) -> bool:
        """Whether nothing more can come of it."""
        return self._failure is not None

    async def feed(self, chunk: Buffer) -> Buffer:
        """The PCM that is ready at once. Raises :class:`DecodeError`, from then on each time."""
        if self.passthrough is not None:
            return self.passthrough.feed(chunk)
        if self._failure is not None:
            raise DecodeError(str(self._failure))
        try:
            if self._ffmpeg is not None:
                await self._feed_ffmpeg(self._ffmpeg, chunk)
                return b""
            self._head += chunk
            # Looking again at every byte of a long header would cost its square.
            if len(self._head) < self._tried_bytes + self._tried_bytes // 16:
                return b""
            return await self._begin(at_end=False)
        except DecodeError as error:
            await self.abort()
            self._failure = error
            raise
        except DecoderLostError as error:
            raise await self._lost(error) from error

    async def finish(self) -> Buffer:
        """No more bytes will come: the last PCM. Raises :class:`DecodeError` for what was lost."""
        pcm: Buffer = b""
        try:
            if self._head:
                pcm = await self._begin(at_end=True)
            if self._ffmpeg is not None:
                await self._finish_ffmpeg(self._ffmpeg)
        except DecoderLostError as error:
            raise await self._lost(error) from error
        finally:
            await self._end_ffmpeg()
        return pcm

    async def abort(self) -> None:
        """Give up at once, without the rest."""
        self._failure = self._failure or DecodeError("the stream was given up")
        self._head.clear()
        await self._end_ffmpeg()

    async def restore(self, saved: StreamCheckpoint, kept_input: AsyncIterator[bytes]) -> None:
        """Become the stream that ``saved`` was made of.

        ``kept_input`` is decoded anew; the PCM of it that is recorded already is dropped.
        """
        if saved.state:
            self.passthrough = Passthrough.restored(self._pcm_format.frame_bytes, saved.state)
            return
        self._restored = True
        self._replayed_bytes = saved.pcm_bytes
        async for block in kept_input:
            await self._emit_new(await self.feed(block))

    async def _end_ffmpeg(self) -> None:
        """No process outlives its stream, however that ended."""
        ffmpeg, self._ffmpeg = self._ffmpeg, None
        if ffmpeg is not None:
            await ffmpeg.kill()

    async def _lost(self, error: DecoderLostError) -> Exception:
        """The first time, the kept input deserves another try; a second time, it is to blame."""
        await self.abort()
        if not self._restored:
            return error
        self._failure = DecodeError(str(error))
        return self._failure

    async def _begin(self, *, at_end: bool) -> Buffer:
        self._tried_bytes = len(self._head)
        choice = choose(self._head, self._declared, self._pcm_format, at_end=at_end)
        if choice is None:
            return b""
        head = bytes(self._head)
        self._head.clear()
        if choice.way == "passthrough":
            self.passthrough = Passthrough(self._pcm_format.frame_bytes, choice.data_bytes)
            return self.passthrough.feed(head[choice.offset :])
        self._ffmpeg = await FfmpegDecoder.start(
            choice.input_options, self._pcm_format, self._ffmpeg_loglevel, self._emit_new
        )
        self._framer = _FRAMERS[choice.kind]() if choice.kind in _FRAMERS else None
        await self._feed_ffmpeg(self._ffmpeg, head[choice.offset :])
        return b""

    async def _feed_ffmpeg(self, ffmpeg: FfmpegDecoder, data: Buffer) -> None:
        if self._framer is None:
            await ffmpeg.feed(data)
            return
        for start in range(0, len(data), _SLICE_BYTES):
            # Between slices others have their turn, whatever the slice was made to cost.
            await asyncio.sleep(0)
            await ffmpeg.feed(self._framer.feed(data[start : start + _SLICE_BYTES]))

    async def _finish_ffmpeg(self, ffmpeg: FfmpegDecoder) -> None:
        if self._framer is not None:
            await ffmpeg.feed(self._framer.finish())
        await ffmpeg.finish()
        if self._framer is not None and self._framer.skipped_bytes:
            raise DecodeError(f"{self._framer.skipped_bytes} damaged bytes were skipped")

    async def _emit_new(self, pcm: Buffer) -> None:
        replayed = min(self._replayed_bytes, len(pcm))
        self._replayed_bytes -= replayed
        if len(pcm) > replayed:
            await self._emit(self, pcm[replayed:])
