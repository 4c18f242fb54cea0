"""One recorder's bytes on their way to PCM.

An input stream outlives the connection that carried it. It waits until its first bytes
tell what they are, then decodes until it is finished. It owns neither the socket nor the
recording: what it decodes it returns, or hands to ``emit`` when ffmpeg has it ready.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from api.audio.choice import Choice, choose
from api.audio.detection import SIGNATURE_BYTES, may_begin_file
from api.audio.ffmpeg.decoder import DecoderLostError, FfmpegDecoder
from api.audio.ffmpeg.launcher import DecoderLauncher
from api.audio.formats import DecodeError, InputKind
from api.audio.framing.adts import AdtsFramer
from api.audio.framing.framer import Framer
from api.audio.framing.matroska import MatroskaFramer
from api.audio.framing.mp4 import Mp4Framer
from api.audio.framing.ogg import OggFramer
from api.audio.pcm import PcmFramer
from storage.checkpoint import StreamCheckpoint
from storage.pcm import Buffer, PcmFormat

_SLICE_BYTES = 64 * 1024

# What may arrive while ffmpeg starts, before the socket is slowed down.
_MAX_WAITING_BYTES = 1024 * 1024

# The state of a stream that cannot be decoded; no passthrough's begins like this.
_STATE_OF_FAILED = b"\x01"

_FRAMERS: dict[InputKind, Callable[[], Framer]] = {
    "aac": AdtsFramer,
    "mp4": Mp4Framer,
    "ogg": OggFramer,
}

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
        ffmpeg: DecoderLauncher,
        emit: Emit,
    ) -> None:
        self.lock = asyncio.Lock()  # held by whoever feeds or ends it
        self._declared = declared
        self._pcm_format = pcm_format
        self._ffmpeg = ffmpeg
        self._emit = emit
        self._max_chunk_bytes = pcm_format.frame_bytes * int(
            ffmpeg.max_chunk_seconds * pcm_format.sample_rate
        )
        self.restart(number)

    def restart(self, number: int) -> None:
        """Forget the finished stream and be the next one."""
        self.number = number
        self.held = b""  # the last bytes, where they may be the first of the next file
        self._head = bytearray()
        self._tried_bytes = 0
        self.passthrough: PcmFramer | None = None
        self._starting: asyncio.Task[FfmpegDecoder] | None = None
        self._waiting = bytearray()  # for the decoder that is starting
        self._decoder: FfmpegDecoder | None = None
        self._framer: Framer | None = None
        self._failure: DecodeError | None = None
        self._replayed_bytes = 0
        self._room_bytes = 0
        self._restored = False

    @property
    def begun(self) -> bool:
        """Whether any byte of it has arrived."""
        return bool(self._head or self.passthrough or self._starting or self._failure)

    @property
    def has_failed(self) -> bool:
        """Whether nothing more can come of it."""
        return self._failure is not None

    @property
    def state(self) -> bytes:
        """What :meth:`restore` needs to go on from here; empty where it needs the input."""
        if self.passthrough is not None:
            return self.passthrough.state()
        return _STATE_OF_FAILED if self.has_failed else b""

    async def feed(self, chunk: Buffer) -> Buffer:
        """The PCM that is ready at once. Raises :class:`DecodeError`, from then on each time."""
        self._room_bytes = self._max_chunk_bytes
        held, self.held = self.held, b""
        if self.begun and may_begin_file(joined := held + bytes(chunk[:SIGNATURE_BYTES])):
            self.held = joined
        if self.passthrough is not None:
            return self.passthrough.feed(chunk)
        if self._failure is not None:
            raise DecodeError(str(self._failure))
        try:
            return b"" if self.held else await self._feed(held + chunk if held else chunk)
        except DecodeError as error:
            await self.abort()
            self._failure = error
            raise
        except DecoderLostError as error:
            raise await self._lost(error) from error

    async def finish(self) -> Buffer:
        """No more bytes will come: the last PCM. Raises :class:`DecodeError` for what was lost."""
        pcm: Buffer = b""
        held, self.held = self.held, b""
        try:
            if held and self.passthrough is None and not self.has_failed:
                await self._feed(held)
            if self._head:
                pcm = await self._begin(at_end=True)
            if self._starting is not None:
                await self._finish_decoder(await self._starting)
        except DecoderLostError as error:
            raise await self._lost(error) from error
        finally:
            await self._end_decoder()
        return pcm

    async def abort(self) -> None:
        """Give up at once, without the rest."""
        self._failure = self._failure or DecodeError("the stream was given up")
        self._head.clear()
        await self._end_decoder()

    async def restore(self, saved: StreamCheckpoint, kept_input: AsyncIterator[bytes]) -> None:
        """Become the stream that ``saved`` was made of.

        ``kept_input`` is decoded anew; the PCM of it that is recorded already is dropped.
        """
        if saved.state == _STATE_OF_FAILED:
            self._failure = DecodeError("the stream could not be decoded")
            return
        if saved.state:
            self.passthrough = PcmFramer.restored(self._pcm_format.frame_bytes, saved.state)
            return
        self._restored = True
        self._replayed_bytes = saved.pcm_bytes
        async for block in kept_input:
            await self._emit_new(await self.feed(block))

    async def _end_decoder(self) -> None:
        """No process outlives its stream, however that ended."""
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            await decoder.kill()

    async def _lost(self, error: DecoderLostError) -> Exception:
        """The first time, the kept input deserves another try; a second time, it is to blame."""
        await self.abort()
        if not self._restored:
            return error
        self._failure = DecodeError(str(error))
        return self._failure

    async def _feed(self, data: Buffer) -> Buffer:
        if self._starting is not None:
            await self._feed_started(self._starting, data)
            return b""
        self._head += data
        # Looking again at every byte of a long header would cost its square.
        if len(self._head) < self._tried_bytes + self._tried_bytes // 16:
            return b""
        return await self._begin(at_end=False)

    async def _begin(self, *, at_end: bool) -> Buffer:
        self._tried_bytes = len(self._head)
        choice = choose(self._head, self._declared, self._pcm_format, at_end=at_end)
        if choice is None:
            return b""
        head = bytes(self._head)
        self._head.clear()
        if choice.way == "passthrough":
            self.passthrough = PcmFramer(self._pcm_format.frame_bytes, choice.data_bytes)
            return self.passthrough.feed(head[choice.offset :])
        self._framer = _framer(choice)
        self._waiting += head[choice.offset :]
        self._starting = asyncio.create_task(self._start(choice.demuxer), name="decoder-start")
        return b""

    async def _start(self, demuxer: str) -> FfmpegDecoder:
        """Starting takes its turn, and no chunk has to wait for it to be acknowledged."""
        decoder = await self._ffmpeg.start(demuxer, self._pcm_format, self._emit_new)
        self._decoder = decoder
        while self._waiting:
            data = bytes(self._waiting)
            self._waiting.clear()
            await self._feed_decoder(decoder, data)
        return decoder

    async def _feed_started(self, starting: asyncio.Task[FfmpegDecoder], chunk: Buffer) -> None:
        if not starting.done():
            self._waiting += chunk
            if len(self._waiting) < _MAX_WAITING_BYTES:
                return
            chunk = b""
        await self._feed_decoder(await asyncio.shield(starting), chunk)

    async def _feed_decoder(self, decoder: FfmpegDecoder, data: Buffer) -> None:
        if self._framer is None:
            await decoder.feed(data)
            return
        for start in range(0, len(data), _SLICE_BYTES):
            # Between slices others have their turn, whatever the slice was made to cost.
            await asyncio.sleep(0)
            await decoder.feed(self._framer.feed(data[start : start + _SLICE_BYTES]))

    async def _finish_decoder(self, decoder: FfmpegDecoder) -> None:
        if self._framer is not None:
            await decoder.feed(self._framer.finish())
        await decoder.finish()
        if self._framer is not None and self._framer.skipped_bytes:
            raise DecodeError(f"{self._framer.skipped_bytes} damaged bytes were skipped")

    async def _emit_new(self, pcm: Buffer) -> None:
        """Emit what was not recorded before, and no more than one chunk may hold.

        A few bytes of FLAC or Opus can stand for hours of silence, and so can a WAV of a few hertz.
        """
        replayed = min(self._replayed_bytes, len(pcm))
        self._replayed_bytes -= replayed
        new = pcm[replayed : replayed + self._room_bytes]
        self._room_bytes -= len(new)
        if new:
            await self._emit(self, new)
        if replayed + len(new) < len(pcm):
            seconds = self._ffmpeg.max_chunk_seconds
            raise DecodeError(f"one chunk holds more than {seconds:g} seconds of audio")


def _framer(choice: Choice) -> Framer | None:
    if choice.found is not None:
        found = choice.found
        return MatroskaFramer(choice.samples, found.sample_rate, found.channels, choice.data_bytes)
    return _FRAMERS[choice.kind]() if choice.kind in _FRAMERS else None
