"""The decoder of one input stream, from its first byte to its last frame.

It detects the format, then passes PCM through or feeds ffmpeg, until the stream fails or ends.
Each of these stages is one object, and a stream has one stage at a time.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

from api.audio.choice import Choice, choose
from api.audio.ffmpeg.feed import FfmpegFeed
from api.audio.ffmpeg.launcher import DecoderLauncher
from api.audio.formats import DecodeError, DecoderLostError, InputKind
from api.audio.framing.adts import AdtsFramer
from api.audio.framing.framer import Framer
from api.audio.framing.matroska import MatroskaFramer
from api.audio.framing.mp4 import Mp4Framer
from api.audio.framing.ogg import OggFramer
from api.audio.pcm import PcmFramer
from storage.pcm import Buffer, PcmFormat

# The saved state of a stream that cannot be decoded; no state of a `PcmFramer` starts with it.
_STATE_OF_FAILED = b"\x01"

_FRAMERS: dict[InputKind, Callable[[], Framer]] = {
    "aac": AdtsFramer,
    "mp4": Mp4Framer,
    "ogg": OggFramer,
}


class Detection:
    """The stage before the format is known: the bytes received so far."""

    def __init__(self) -> None:
        self.head = bytearray()
        self._tried_bytes = 0

    def add(self, data: Buffer) -> bool:
        """Add ``data``; return whether to run the detection again.

        Detection runs each time the head has grown by 1/16. Running it for every chunk would make
        its total time quadratic in the length of the header.
        """
        self.head += data
        if len(self.head) < self._tried_bytes + self._tried_bytes // 16:
            return False
        self._tried_bytes = len(self.head)
        return True


Stage: TypeAlias = Detection | PcmFramer | FfmpegFeed | DecodeError
Emit = Callable[[Buffer], Awaitable[None]]


class StreamDecoder:
    """Decodes the bytes of one input stream to PCM of ``pcm_format``.

    Its methods return the PCM that passes through; ``emit`` receives the PCM of ffmpeg later.
    """

    def __init__(
        self,
        declared: InputKind,
        pcm_format: PcmFormat,
        *,
        launcher: DecoderLauncher,
        emit: Emit,
    ) -> None:
        self.stage: Stage = Detection()
        self._declared = declared
        self._pcm_format = pcm_format
        self._launcher = launcher
        self._emit = emit
        self._max_chunk_bytes = pcm_format.frame_bytes * int(
            launcher.max_chunk_seconds * pcm_format.sample_rate
        )
        self._room_bytes = 0  # PCM bytes that the last chunk may still decode to
        self._replayed_bytes = (
            0  # PCM bytes that ffmpeg will output again and that are recorded already
        )
        self._is_replay = False

    @property
    def has_input(self) -> bool:
        """Return whether any byte of the stream has arrived."""
        return not isinstance(self.stage, Detection) or bool(self.stage.head)

    @property
    def has_failed(self) -> bool:
        """Return whether decoding has failed; no more PCM follows."""
        return isinstance(self.stage, DecodeError)

    @property
    def passthrough(self) -> PcmFramer | None:
        """Return the framer if the stream passes through, else None."""
        return self.stage if isinstance(self.stage, PcmFramer) else None

    @property
    def saved_state(self) -> bytes:
        """Return the state for :meth:`restore`; empty if it must decode the kept input again."""
        if isinstance(self.stage, PcmFramer):
            return self.stage.state()
        return _STATE_OF_FAILED if self.has_failed else b""

    async def feed(self, chunk: Buffer) -> Buffer:
        """Decode ``chunk``; return its PCM if it passes through.

        Raises :class:`DecodeError`, then again on every further call, and
        :class:`DecoderLostError`.
        """
        self._room_bytes = self._max_chunk_bytes
        if isinstance(self.stage, PcmFramer):
            return self.stage.feed(chunk)
        if isinstance(self.stage, DecodeError):
            raise DecodeError(str(self.stage))
        try:
            return await self._feed(self.stage, chunk)
        except DecodeError as error:
            await self._fail(error)
            raise
        except DecoderLostError as error:
            raise await self._fail_lost(error) from error

    async def finish(self) -> Buffer:
        """End the input; return the last PCM.

        Raises as :meth:`feed` does, and :class:`DecodeError` for audio that was lost.
        """
        pcm: Buffer = b""
        try:
            if isinstance(self.stage, Detection) and self.stage.head:
                pcm = self._choose(self.stage, at_end=True)
            if isinstance(self.stage, FfmpegFeed):
                await self.stage.finish()
        except DecoderLostError as error:
            raise await self._fail_lost(error) from error
        finally:
            await self._end_process()
        return pcm

    async def abort(self) -> None:
        """End the stream without decoding the rest, and kill its process."""
        await self._fail(DecodeError("the stream was aborted"))

    async def restore(
        self, state: bytes, kept_input: AsyncIterator[bytes], recorded_bytes: int
    ) -> AsyncIterator[Buffer]:
        """Continue a stream from its :attr:`saved_state`; yield PCM that is not yet recorded.

        If ``state`` is empty, ``kept_input`` is decoded again, and the first ``recorded_bytes`` of
        its PCM are dropped, because they are recorded already.
        """
        if state == _STATE_OF_FAILED:
            self.stage = DecodeError("the stream could not be decoded")
        elif state:
            self.stage = PcmFramer.restored(self._pcm_format.frame_bytes, state)
        else:
            self._is_replay = True
            self._replayed_bytes = recorded_bytes
            async for block in kept_input:
                yield self._new_part(await self.feed(block))

    def restore_passthrough(self, state: bytes) -> None:
        """Return to an earlier state of a stream that passes through."""
        self.stage = PcmFramer.restored(self._pcm_format.frame_bytes, state)

    async def _feed(self, stage: Detection | FfmpegFeed, data: Buffer) -> Buffer:
        if isinstance(stage, FfmpegFeed):
            await stage.feed(data)
            return b""
        return self._choose(stage, at_end=False) if stage.add(data) else b""

    def _choose(self, detection: Detection, *, at_end: bool) -> Buffer:
        """Enter the next stage if the head is long enough; return PCM that passes through."""
        head = bytes(detection.head)
        choice = choose(head, self._declared, self._pcm_format, at_end=at_end)
        if choice is None:
            return b""
        if choice.way == "passthrough":
            self.stage = PcmFramer(self._pcm_format.frame_bytes, choice.data_bytes)
            return self.stage.feed(head[choice.offset :])
        self.stage = FfmpegFeed(
            self._launcher,
            choice.demuxer,
            _framer(choice),
            self._pcm_format,
            self._emit_new,
            head[choice.offset :],
        )
        return b""

    async def _emit_new(self, pcm: Buffer) -> None:
        """Emit new PCM, at most as much as one chunk may decode to.

        A few bytes of FLAC or Opus can decode to hours of silence, and so can a WAV of a few hertz.
        """
        new = self._new_part(pcm)
        part = new[: self._room_bytes]
        self._room_bytes -= len(part)
        if part:
            await self._emit(part)
        if len(part) < len(new):
            seconds = self._launcher.max_chunk_seconds
            raise DecodeError(f"one chunk holds more than {seconds:g} seconds of audio")

    def _new_part(self, pcm: Buffer) -> Buffer:
        replayed = min(self._replayed_bytes, len(pcm))
        self._replayed_bytes -= replayed
        return pcm[replayed:] if replayed else pcm

    async def _fail(self, error: DecodeError) -> None:
        await self._end_process()
        if not self.has_failed:
            self.stage = error

    async def _fail_lost(self, error: DecoderLostError) -> Exception:
        """Fail the stream; return the error to raise.

        The first time it is `DecoderLostError`, and the kept input is decoded again. If ffmpeg ends
        that way in the replay too, the input is the cause, and the error is `DecodeError`.
        """
        decode_error = DecodeError(str(error))
        await self._fail(decode_error)
        return decode_error if self._is_replay else error

    async def _end_process(self) -> None:
        if isinstance(self.stage, FfmpegFeed):
            await self.stage.abort()


def _framer(choice: Choice) -> Framer | None:
    if choice.found is not None:
        found = choice.found
        return MatroskaFramer(choice.samples, found.sample_rate, found.channels, choice.data_bytes)
    return _FRAMERS[choice.kind]() if choice.kind in _FRAMERS else None
