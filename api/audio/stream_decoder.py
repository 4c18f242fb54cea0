"""The decoder of one input stream, from its first byte to its last frame.

It detects the format, then passes PCM through or feeds ffmpeg, until the stream fails or ends.
Each of these stages is one object, and a stream has one stage at a time.
"""

from collections.abc import AsyncIterator
from typing import TypeAlias

from api.audio.choice import choose
from api.audio.detection import begins_container, begins_wav
from api.audio.ffmpeg.decoder import Emit, EmitNow
from api.audio.ffmpeg.feed import FfmpegFeed
from api.audio.ffmpeg.launcher import DecoderLauncher
from api.audio.formats import RAW_KINDS, DecodeError, DecoderLostError, InputKind
from api.audio.framers import framer_of
from api.audio.head import Detection
from api.audio.pcm import PcmFramer
from api.weak_method import weak_method
from storage.pcm import Buffer, PcmFormat

# The saved state of a stream that cannot be decoded; no state of a `PcmFramer` starts with it.
_STATE_OF_FAILED = b"\x01"

Stage: TypeAlias = Detection | PcmFramer | FfmpegFeed | DecodeError


class StreamDecoder:
    """Decodes the bytes of one input stream to PCM of ``pcm_format``.

    Its methods return the PCM that passes through; ``emit`` receives the PCM of ffmpeg later. If
    there is ``emit_now``, it is called before, and returns False if something has to be awaited.
    """

    __slots__ = (
        "__weakref__",
        "_emit",
        "_emit_now",
        "_is_replay",
        "_is_wav",
        "_launcher",
        "_max_chunk_bytes",
        "_pcm_format",
        "_replayed_bytes",
        "_room_bytes",
        "kind",
        "stage",
    )

    def __init__(
        self,
        declared: InputKind,
        pcm_format: PcmFormat,
        *,
        launcher: DecoderLauncher,
        emit: Emit,
        emit_now: EmitNow | None = None,
    ) -> None:
        self.stage: Stage = Detection(declared)
        self._pcm_format = pcm_format
        self._launcher = launcher
        self._emit, self._emit_now = emit, emit_now
        self._max_chunk_bytes = pcm_format.frame_bytes * int(
            launcher.max_chunk_seconds * pcm_format.sample_rate
        )
        self._room_bytes = 0  # PCM bytes that the last chunk may still decode to
        self._replayed_bytes = (
            0  # PCM bytes that ffmpeg will output again and that are recorded already
        )
        self._is_replay = False
        self.kind: InputKind = declared  # as detected, from the end of the detection on
        self._is_wav = False  # what ffmpeg gets is raw PCM, or a WAV

    @property
    def has_input(self) -> bool:
        """Return whether any byte of the stream has arrived."""
        return not isinstance(self.stage, Detection) or self.stage.has_input

    @property
    def has_failed(self) -> bool:
        """Return whether decoding has failed; no more PCM follows."""
        return isinstance(self.stage, DecodeError)

    @property
    def damage(self) -> DecodeError | None:
        """Return what ffmpeg or the framer found damaged; the same object always."""
        return self.stage.damage if isinstance(self.stage, FfmpegFeed) else None

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

    @property
    def next_file(self) -> bytes | None:
        """Return the bytes that belong to a new file; None while none has begun."""
        if isinstance(self.stage, (PcmFramer, FfmpegFeed)):
            return self.stage.next_file
        return None

    def begins_file(self, chunk: Buffer) -> bool:
        """Return whether ``chunk`` as a whole belongs to a new file.

        Only the start of a chunk can show that where the end of the file is not known: in PCM
        without a length, in formats without a framer, after a failure, and in an element that is
        incomplete, because a file that was cut off may end anywhere.
        """
        match self.stage:
            case Detection(head=head):  # a tag without anything behind it is no file
                return bool(head) and begins_container(chunk)
            case PcmFramer() as framer:
                return framer.is_endless and begins_wav(chunk)
            case DecodeError():
                return begins_container(chunk)
            case feed:
                return not feed.finds_files and (
                    begins_wav(chunk) if self._is_wav else begins_container(chunk)
                )

    async def feed(self, chunk: Buffer) -> Buffer:
        """Decode ``chunk``, up to the beginning of a new file; return PCM that passes through.

        Raises :class:`DecodeError`, then again on every further call, and
        :class:`DecoderLostError`.
        """
        self._room_bytes = self._max_chunk_bytes
        if isinstance(self.stage, PcmFramer):
            return self.stage.feed(chunk)
        if isinstance(self.stage, DecodeError):
            raise DecodeError(str(self.stage), self.stage.code)
        try:
            return await self._feed(self.stage, chunk)
        except DecodeError as error:
            await self._fail(error)
            raise
        except DecoderLostError as error:
            raise await self._fail_lost(error) from error

    def takes_now(self, chunk: Buffer) -> bool:
        """Return whether :meth:`feed_now` may be called: ffmpeg decodes, and no file begins."""
        stage = self.stage
        return (
            isinstance(stage, FfmpegFeed)
            and stage.takes_now(len(chunk))
            and not self.begins_file(chunk)
        )

    def feed_now(self, chunk: Buffer) -> bool:
        """Do what :meth:`feed` does, if nothing has to be awaited.

        On False, call ``feed(b"")`` next, which does the rest.
        """
        assert isinstance(self.stage, FfmpegFeed)
        self._room_bytes = self._max_chunk_bytes
        return self.stage.feed_now(chunk)

    async def finish(self, *, is_cut: bool = False) -> Buffer:
        """End the input; return the last PCM. ``is_cut``: the service has cut it.

        Raises as :meth:`feed` does, and :class:`DecodeError` for audio that was lost.
        """
        pcm: Buffer = b""
        try:
            if isinstance(self.stage, Detection) and self.stage.has_input:
                pcm = await self._choose(self.stage, at_end=True)
            if isinstance(self.stage, FfmpegFeed):
                await self.stage.finish(is_cut=is_cut)
        except DecoderLostError as error:
            raise await self._fail_lost(error) from error
        finally:
            await self._end_process()
        return pcm

    async def abort(self, reason: str = "the stream was aborted") -> None:
        """End the stream without decoding the rest, and kill its process."""
        await self._fail(DecodeError(reason))

    async def restore(
        self, state: bytes, kept_input: AsyncIterator[bytes], recorded_bytes: int
    ) -> AsyncIterator[Buffer]:
        """Continue a stream from its :attr:`saved_state`; yield PCM that is not yet recorded.

        If ``state`` is empty, ``kept_input`` is decoded again, and the first ``recorded_bytes`` of
        its PCM are dropped, because they are recorded already. Raises :class:`DecodeError`.
        """
        if state == _STATE_OF_FAILED:
            self.stage = DecodeError(
                "the stream cannot be decoded, as the session's warnings say; begin a new file"
            )
        elif state:
            self.stage = self._restored(state)
            if isinstance(self.stage, DecodeError):
                raise self.stage
        else:
            self._is_replay = True
            self._replayed_bytes = recorded_bytes
            async for block in kept_input:
                yield self._new_part(await self.feed(block))

    def skip_replayed(self, pcm_bytes: int) -> None:
        """Drop the next ``pcm_bytes`` that ffmpeg outputs: they are recorded already."""
        self._replayed_bytes = pcm_bytes

    def restore_passthrough(self, state: bytes) -> None:
        """Return to an earlier state of a stream that passes through."""
        self.stage = PcmFramer.restored(self._pcm_format.frame_bytes, state)

    def _restored(self, state: bytes) -> PcmFramer | DecodeError:
        try:
            return PcmFramer.restored(self._pcm_format.frame_bytes, state)
        except DecodeError as error:
            return error

    async def _feed(self, stage: Detection | FfmpegFeed, data: Buffer) -> Buffer:
        if isinstance(stage, FfmpegFeed):
            await stage.feed(data)
            return b""
        return await self._choose(stage, at_end=False) if stage.add(data) else b""

    async def _choose(self, detection: Detection, *, at_end: bool) -> Buffer:
        """Enter the next stage if the head is long enough; return PCM that passes through."""
        head = bytes(detection.head)
        choice = choose(head, detection.declared, self._pcm_format, at_end=at_end)
        if choice is None:
            return b""
        self.kind = choice.kind
        if choice.way == "passthrough":
            self.stage = PcmFramer(self._pcm_format.frame_bytes, choice.data_bytes)
            return self.stage.feed(head[choice.offset :])
        self.stage = FfmpegFeed(
            self._launcher,
            choice.demuxer,
            framer_of(choice),
            self._pcm_format,
            weak_method(self._emit_new),
            weak_method(self._emit_new_now),
        )
        self._is_wav = choice.kind == "wav" or choice.kind in RAW_KINDS
        await self.stage.feed(head[choice.offset :])
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

    def _emit_new_now(self, pcm: Buffer) -> bool:
        """Do what `_emit_new` does, if all of it is new and nothing has to be awaited."""
        if self._emit_now is None or self._replayed_bytes or len(pcm) > self._room_bytes:
            return False
        if not self._emit_now(pcm):
            return False
        self._room_bytes -= len(pcm)
        return True

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
