"""One input stream: the bytes of one recorder on the client's side.

An input stream outlives a dropped connection if the client resumes. It decodes its chunks in order
and writes the PCM and the counts through the ledger. It may consist of several files, one after
the other: a restarted recorder sends a new header.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial

import msgspec

from api.audio.detection import begins_container
from api.audio.ffmpeg.feed import FfmpegFeed
from api.audio.ffmpeg.launcher import DecoderLauncher
from api.audio.formats import DecodeError, DecoderLostError, InputKind
from api.audio.head import Detection
from api.audio.pcm import PcmFramer
from api.audio.stream_decoder import StreamDecoder
from api.audio.stream_heads import MAX_HEAD_BYTES, StreamHead, block_bytes_behind, find_head
from api.session.kept_input import KeptInput
from api.session.ledger import Ledger
from api.session.pauses import Pauses
from api.wire.errors import SessionCompletedError
from storage import threads
from storage.checkpoint import StreamCheckpoint
from storage.errors import FencedError
from storage.pcm import Buffer, PcmFormat

# Each new file in a chunk stores the rest of the chunk once more.
_MAX_FILES_PER_CHUNK = 100

# The bytes of a sample in the raw formats that ffmpeg decodes.
_RAW_BYTES = {"pcm_f32le": 4, "mulaw": 1, "alaw": 1}


class InputStream:
    """Records the chunks of one stream, until `end` or `abort` is called."""

    def __init__(
        self,
        number: int,
        declared: InputKind,
        pcm_format: PcmFormat,
        *,
        launcher: DecoderLauncher,
        ledger: Ledger,
        kept_input: KeptInput,
        pauses: Pauses,
        next_number: Callable[[], int],
    ) -> None:
        """Create the stream; ``number`` identifies its file in the checkpoints of the recording.

        ``next_number`` returns the number of its next file.
        """
        self.number = number
        self._ledger = ledger
        self._kept_input = kept_input
        self._pauses = pauses
        self._pcm_format = pcm_format
        self._next_number = next_number
        self.chunks = self.received_bytes = self.recorded_bytes = 0  # for the timeline
        self._new_decoder = partial(
            StreamDecoder, declared, pcm_format, launcher=launcher, emit=self._write
        )
        self._decoder = self._new_decoder()
        self._lock = asyncio.Lock()  # held while a chunk is recorded or the stream ends
        self._has_ended = False
        self._kept: bytes | None = None  # the chunk that is kept, and perhaps not decoded
        self._is_aborted = False
        self._told: DecodeError | None = None  # the damage that is a warning already
        self._failure: Exception | None = None  # raised by `end`
        self._has_only_head = False  # of a stream that goes on behind a pause
        self._head_pcm_bytes = 0  # what the head decodes to, which is recorded already
        self._is_joining = False  # behind a pause, in the middle of an element
        self._block_bytes = 1  # of what follows the head
        self._position_bytes = 0  # in what follows the head, before what comes after the pause

    @property
    def has_input(self) -> bool:
        """Return whether any byte of the stream has arrived."""
        return self._decoder.has_input

    def receive_now(self, chunk: bytes) -> bool:
        """Record ``chunk`` if nothing has to be awaited; on False, call :meth:`receive`.

        This is the hot path. It needs no lock, because it does not await.
        """
        framer = self._decoder.stage
        if self._pauses.is_paused:
            return False
        if not isinstance(framer, PcmFramer):
            return self._keep_now(chunk)
        if self._lock.locked() or (pcm := framer.feed_now(chunk)) is None:
            return False
        if self._ledger.append_chunk(self.number, pcm, framer.state()):
            self.chunks += 1
            self.received_bytes += len(chunk)
            self.recorded_bytes += len(pcm)
            return True
        # Nothing was written. `receive` gets the same chunk and writes it with retries.
        self._decoder.restore_passthrough(self._ledger.stream(self.number).state)
        return False

    def _keep_now(self, chunk: bytes) -> bool:
        """Keep ``chunk`` and pass it to ffmpeg, if nothing has to be awaited."""
        if self._lock.locked() or self._has_ended or self._kept is not None:
            return False
        if self._has_only_head:
            return False
        decoder = self._decoder
        if not decoder.takes_now(chunk) or not self._kept_input.keep_now(self.number, chunk):
            return False
        if decoder.feed_now(chunk) and (decoder.damage is None or self._told is not None):
            self.chunks += 1
            self.received_bytes += len(chunk)
            return True
        self._kept = chunk  # `receive` does the rest
        return False

    async def receive(self, chunk: bytes) -> None:
        """Record ``chunk``. After the return it survives a crash of the process.

        Raises :class:`DecodeError` for a chunk that is counted but cannot be decoded,
        `StorageUnavailableError` for a chunk that is not counted because it could not be written,
        :class:`SessionCompletedError` for a chunk after the end of the stream.
        """
        async with self._lock:
            if self._has_ended:
                raise SessionCompletedError(self._ledger.session_id)
            if self._failure is not None:
                raise self._failure
            self.chunks += 1
            self.received_bytes += len(chunk)
            if self._pauses.is_paused:
                await self._skip(chunk)
                return
            failed_before = self._decoder if self._decoder.has_failed else None
            try:
                await self._record(chunk)
            except DecodeError as error:
                self._check_not_aborted()
                if self._decoder is not failed_before:
                    await self._fail(error)
                raise
            except Exception as error:
                self._check_not_aborted()
                self._failure = error  # the state of the decoder is unknown
                raise
            await self.warn_of_damage()

    async def warn_of_damage(self) -> None:
        """Warn of damage when it is known, not only at the end of the stream. Idempotent."""
        damage = self._decoder.damage
        if self._is_joining:
            if not self._has_joined():
                return  # what comes in front of the first whole element is no damage
            self._is_joining, self._told = False, damage
        if damage is not None and self._told is None:
            self._told = damage
            await self._ledger.warn(damage.code, str(damage))

    async def end(self) -> None:
        """Record the rest of the stream, and its decode error if there is one. Idempotent.

        Raises the error that prevents the end; every further call raises it again.
        """
        async with self._lock:
            if self._failure is not None:
                raise self._failure
            if self._has_ended:
                return
            self._has_ended = True
            try:
                await self._end()
            except Exception as error:
                self._failure = error
                raise

    async def pause(self) -> None:
        """Record what has arrived; keep what the decoder needs to go on after the pause.

        ffmpeg ends, because what it has not yet decoded cannot be told from what follows. A new
        one gets the head of the stream, and then what comes after the pause.

        If it raises, the state of the decoder is unknown, and so does each call that follows.
        """
        async with self._lock:
            if self._has_ended or not isinstance(self._decoder.stage, FfmpegFeed):
                return
            if self._kept is not None:
                self._kept = None
                await self._decode(b"")
            try:
                await self._cut(await self._kept_input.read(self.number, MAX_HEAD_BYTES))
            except DecodeError as error:
                self._check_not_aborted()
                await self._decoder.abort(str(error))
                await self._fail(error)
            except Exception as error:
                self._check_not_aborted()
                self._failure = error
                raise

    async def _cut(self, start: bytes) -> None:
        """Continue with the head of the stream, which begins with ``start``, as the next file."""
        # In a thread: a header of a megabyte may have a hundred thousand elements.
        head = await threads.reading.run(find_head, self._decoder.kind, start)
        if head is None:
            return  # the head is not whole, and there is no audio
        position_bytes = self._ledger.stream(self.number).kept_bytes - head.length
        head_bytes = start[: head.length]
        await self._begin_file(b"", head_bytes, kept_twice_bytes=head.length, is_cut=True)
        await self._join(head, position_bytes)
        if head_bytes:
            await self._decode(head_bytes)

    def _has_joined(self) -> bool:
        """Return whether anything behind the pause was decoded."""
        return self._ledger.stream(self.number).pcm_bytes > self._head_pcm_bytes

    async def _join(self, head: StreamHead, position_bytes: int) -> None:
        frames = int(head.seconds * self._pcm_format.sample_rate)
        self._head_pcm_bytes = frames * self._pcm_format.frame_bytes
        self._stand_behind(head.block_bytes, position_bytes)
        self._decoder.skip_replayed(self._head_pcm_bytes)
        await self._kept_input.keep_head(self.number, self._head_pcm_bytes, position_bytes)

    def _stand_behind(self, block_bytes: int, position_bytes: int) -> None:
        self._has_only_head = self._is_joining = True
        self._block_bytes, self._position_bytes = block_bytes, position_bytes
        if self._decoder.kind in _RAW_BYTES:
            self._block_bytes = _RAW_BYTES[self._decoder.kind] * self._pcm_format.channels

    async def _skip(self, chunk: bytes) -> None:
        """Count ``chunk`` and record nothing of it; keep only what is no audio.

        Frames go on where they would be, so that those after the pause are whole.
        """
        if self._decoder.has_input and self._begins_file(chunk):
            await self._begin_file(b"", b"")
        stage = self._decoder.stage
        if self._has_only_head:
            self._position_bytes += len(chunk)
        elif isinstance(stage, Detection):
            await self._skip_undecided(chunk)
            return
        elif isinstance(stage, FfmpegFeed):  # the head was not whole at the pause
            await self._keep_head(chunk)
            return
        elif isinstance(stage, PcmFramer) and (rest := _skipped_by(stage, chunk)) is not None:
            await self._begin_file(b"", b"")
            await self._skip(rest)
            return
        await self._pauses.skip_chunk(self._checkpoint(), len(chunk))

    async def _skip_undecided(self, chunk: bytes) -> None:
        """Skip a chunk of a stream whose format is not known; it may show the format."""
        try:
            await self._decoder.feed(chunk)
        except DecodeError as error:
            await self._fail(error)
        match self._decoder.stage:
            case Detection():  # too few bytes for audio
                await self._kept_input.keep(self.number, chunk)
            case FfmpegFeed():
                await self._keep_head(chunk)
            case stage:
                if isinstance(stage, PcmFramer):
                    stage.mute()
                await self._pauses.skip_chunk(self._checkpoint(), len(chunk))

    async def _keep_head(self, chunk: bytes) -> None:
        """Keep the bytes of ``chunk`` that belong to the head, and begin again with those."""
        kept = await self._kept_input.read(self.number, MAX_HEAD_BYTES)
        try:
            head = await threads.reading.run(find_head, self._decoder.kind, kept + chunk)
        except DecodeError as error:
            await self._decoder.abort(str(error))
            await self._fail(error)
            await self._pauses.skip_chunk(self._checkpoint(), len(chunk))
            return
        if head is None:
            await self._kept_input.keep(self.number, chunk)
            return
        await self._decoder.abort()
        self._decoder = self._new_decoder()
        more = chunk[: max(0, head.length - len(kept))]
        await self._kept_input.keep(self.number, more)
        skipped_bytes = len(chunk) - len(more)
        if skipped_bytes:
            await self._pauses.skip(skipped_bytes)
        await self._join(head, skipped_bytes)
        if head.length:
            await self._decode(kept + more)

    def _checkpoint(self) -> StreamCheckpoint:
        """Return the checkpoint of the stream, with the state of its decoder."""
        saved, state = self._ledger.stream(self.number), self._decoder.saved_state
        if self._has_only_head:
            return msgspec.structs.replace(saved, skipped_bytes=self._position_bytes)
        if not state or state == saved.state:
            return saved
        return StreamCheckpoint(self.number, saved.kept_bytes, 0, state)

    async def abort(self) -> None:
        """Stop without recording the rest; the last checkpoint can be restored."""
        self._has_ended = self._is_aborted = True
        # Before the lock is free: its holder waits for the decoder, which may hang.
        await self._decoder.abort()
        async with self._lock:
            await self._decoder.abort()

    async def restore(self, saved: StreamCheckpoint, kept_input: AsyncIterator[bytes]) -> None:
        """Continue the stream that was ``saved`` in the recording's last checkpoint."""
        try:
            async for pcm in self._decoder.restore(saved.state, kept_input, saved.pcm_bytes):
                await self._write(pcm)
                if (rest := self._decoder.next_file) is not None:
                    rest += b"".join([block async for block in kept_input])
                    await self._begin_file(b"", rest, kept_twice_bytes=len(rest))
                    await self._decode(rest)
                    break
            if saved.skipped_bytes is not None:
                await self._restore_head(saved.pcm_bytes, saved.skipped_bytes)
        except DecodeError as error:
            await self._fail(error)
        framer = self._decoder.passthrough
        if framer is not None and framer.has_audio_left:
            framer.note_kept(self._kept_input.covered_bytes(self.number))

    async def _restore_head(self, pcm_bytes: int, skipped_bytes: int) -> None:
        """Go on behind the pause in which only the head of the stream was kept."""
        head = await self._kept_input.read(self.number, MAX_HEAD_BYTES)
        self._head_pcm_bytes = pcm_bytes
        self._stand_behind(block_bytes_behind(self._decoder.kind, head), skipped_bytes)

    async def _fail(self, error: DecodeError) -> None:
        """Record that the stream has failed, with a warning unless it has been given."""
        await self._kept_input.fail(self.number, self._decoder.saved_state, self._untold(error))

    def _check_not_aborted(self) -> None:
        """Raise :class:`SessionCompletedError` if `abort` has caused the current error."""
        if self._is_aborted:
            raise SessionCompletedError(self._ledger.session_id)

    async def _record(self, chunk: bytes) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            try:
                await self._decode(b"")
            except DecodeError as error:
                if kept is chunk:
                    raise
                await self._fail(error)  # nothing received the rest of that chunk
        if kept is chunk:
            return
        if self._begins_file(chunk):
            framer = self._decoder.passthrough
            covered_bytes = 0 if framer is None else framer.covered_bytes
            await self._begin_file(b"", chunk, chunks=1, covered_bytes=covered_bytes)
            await self._decode(chunk)
        elif self._has_only_head:
            await self._go_on(chunk)
        elif (framer := self._decoder.passthrough) is not None:
            await self._pass(framer, chunk)
        elif self._decoder.has_failed:
            await self._kept_input.keep(self.number, chunk, self._decoder.saved_state)
            await self._decoder.feed(chunk)  # raises the failure again
        else:
            await self._kept_input.keep(self.number, chunk)
            await self._decode(chunk)

    def _begins_file(self, chunk: bytes) -> bool:
        """Return whether ``chunk`` as a whole belongs to a new file.

        Behind a pause the element before it is unknown, so only its start can show that.
        """
        is_shown = self._has_only_head and begins_container(chunk)
        return is_shown or self._decoder.begins_file(chunk)

    async def _go_on(self, chunk: bytes) -> None:
        """Record the first chunk behind a pause, from its first whole block on."""
        block = chunk[-self._position_bytes % self._block_bytes :]
        if not block:
            self._position_bytes += len(chunk)
            await self._pauses.skip_chunk(self._checkpoint(), len(chunk))
            return
        self._has_only_head = False
        await self._kept_input.keep(self.number, block)
        await self._decode(block)

    async def _pass(self, framer: PcmFramer, chunk: bytes) -> None:
        """Record a chunk of a stream that passes through.

        What of it is not PCM, such as the end of a WAV, is kept for the digest of the input.
        """
        state, before, covered_bytes = framer.state(), framer.unkept, framer.covered_bytes
        expected_bytes = len(framer.undecided) + len(chunk)
        try:
            pcm = await self._decoder.feed(chunk)
        except DecodeError:
            await self._keep_passed(before + chunk, b"", state, 0, covered_bytes=covered_bytes)
            raise
        if (rest := self._decoder.next_file) is not None:
            await self._begin_file(
                pcm,
                rest,
                kept_twice_bytes=len(rest),
                chunks=1,
                last_input=before + chunk,
                covered_bytes=covered_bytes,
            )
            await self._decode(rest)
        elif len(pcm) + len(framer.undecided) == expected_bytes:
            await self._write(pcm, chunks=1)
        else:
            data, pending_bytes = before + chunk, len(framer.undecided)
            if framer.has_audio_left:
                framer.note_kept()
            else:  # it may begin a chunk, and comes again with the rest of that
                data, pending_bytes = data[: len(data) - len(framer.unkept)], 0
            await self._keep_passed(
                data, pcm, framer.state(), pending_bytes, covered_bytes=covered_bytes
            )

    async def _keep_passed(
        self,
        data: bytes,
        pcm: Buffer,
        state: bytes,
        pending_bytes: int,
        *,
        covered_bytes: int = 0,
        chunks: int = 1,
    ) -> None:
        self.recorded_bytes += len(pcm)
        await self._kept_input.keep_passed(
            self.number,
            data,
            pcm,
            state,
            pending_bytes=pending_bytes,
            covered_bytes=covered_bytes,
            chunks=chunks,
        )

    async def _decode(self, data: bytes) -> None:
        """Decode ``data``, which is kept and counted: one file, or several."""
        for _ in range(_MAX_FILES_PER_CHUNK):
            pcm = await self._decoder.feed(data)
            rest = self._decoder.next_file
            if rest is None:
                await self._write(pcm)
                return
            await self._begin_file(pcm, rest, kept_twice_bytes=len(rest))
            data = rest
        await self._decoder.abort(f"more than {_MAX_FILES_PER_CHUNK} files begin in one chunk")
        await self._decoder.feed(b"")  # raises the failure

    async def _begin_file(
        self,
        pcm: Buffer,
        rest: bytes,
        *,
        kept_twice_bytes: int = 0,
        chunks: int = 0,
        last_input: bytes = b"",
        covered_bytes: int = 0,
        is_cut: bool = False,
    ) -> None:
        """End the current file, whose last PCM is ``pcm``, and begin the next one with ``rest``.

        Its bytes are kept, ``kept_twice_bytes`` of them also for the current file, and ``chunks``
        more are counted. ``last_input`` is what a file that passes through had last; it is kept,
        and ``covered_bytes`` of the frame in front of it were already. If the service has cut the
        file, an incomplete end is no damage.
        """
        known = self._decoder.damage
        try:
            pcm, damage = await self._finish(pcm, is_cut=is_cut)
            if is_cut and known is None:
                damage = None
        except DecodeError:
            self._check_not_aborted()
            raise
        await self._replace(
            pcm,
            damage,
            rest,
            kept_twice_bytes=kept_twice_bytes,
            chunks=chunks,
            last_input=last_input,
            covered_bytes=covered_bytes,
        )

    async def _replace(
        self,
        pcm: Buffer,
        damage: DecodeError | None,
        rest: bytes,
        *,
        kept_twice_bytes: int,
        chunks: int = 0,
        last_input: bytes = b"",
        covered_bytes: int = 0,
    ) -> None:
        """Record the last ``pcm`` of a file that has ended; ``rest`` is of the next one."""
        self.recorded_bytes += len(pcm)
        last_input = last_input or self._last_frame()
        number, self.number = self.number, self._next_number()
        await self._kept_input.replace(
            number,
            pcm,
            self._untold(damage),
            new_number=self.number,
            kept=rest,
            kept_twice_bytes=kept_twice_bytes,
            last_input=last_input,
            covered_bytes=covered_bytes,
            chunks=chunks,
        )
        self._check_not_aborted()  # `abort` ends the decoder of its time only
        self._has_only_head = self._is_joining = False
        self._decoder = self._new_decoder()
        self._told = None

    def _last_frame(self) -> bytes:
        """Return the incomplete frame at the end of a stream that passes through."""
        framer = self._decoder.passthrough
        if framer is None or not self._ledger.stream(self.number).state:
            return b""
        return framer.unkept

    async def _finish(
        self, pcm: Buffer, *, is_cut: bool = False
    ) -> tuple[bytes, DecodeError | None]:
        """End the current file, and those that only its end reveals.

        Return ``pcm`` and what is not recorded of the last file: its last PCM and its damage.
        Raises :class:`DecodeError` if the stream was aborted, and :class:`DecoderLostError`.
        """
        if self._has_only_head:
            await self._decoder.abort()
            return bytes(pcm), None
        damage: DecodeError | None = None
        is_known = self._decoder.next_file is not None
        while True:
            try:
                pcm = bytes(pcm) + bytes(await self._decoder.finish(is_cut=is_cut))
            except DecodeError as error:
                if self._is_aborted:
                    raise
                damage = None if self._is_joining and self._has_joined() else error
            rest = None if is_known else self._decoder.next_file
            if rest is None:
                return bytes(pcm), damage
            await self._replace(pcm, damage, rest, kept_twice_bytes=len(rest))
            pcm, damage = b"", None
            try:
                await self._decode(rest)
            except DecodeError as error:
                damage = error

    async def _end(self) -> None:
        if self._has_only_head:
            await self._decoder.abort()
            await self._kept_input.remove(self.number, None)
            return
        try:
            pcm, damage = await self._finish(b"")
        except (DecodeError, DecoderLostError, SessionCompletedError) as error:
            if self._is_aborted:
                # The session is released before it is completed; its next owner completes it.
                raise FencedError(self._ledger.session_id) from error
            raise
        await self._write(pcm)
        if last := self._last_frame():
            await self._keep_passed(last, b"", self._decoder.saved_state, 0, chunks=0)
        await self._kept_input.remove(self.number, self._untold(damage))

    def _untold(self, damage: DecodeError | None) -> DecodeError | None:
        """Return ``damage`` if there is no warning of it yet."""
        return None if damage is self._told else damage

    async def _write(self, pcm: Buffer, *, chunks: int = 0) -> None:
        state = self._decoder.saved_state
        if not pcm and not chunks and state == self._ledger.stream(self.number).state:
            return
        self.recorded_bytes += len(pcm)
        framer = self._decoder.passthrough
        if framer is None:
            self._kept_input.keep_all(self.number)
        elif state and not self._ledger.stream(self.number).state:
            self._pass_through(framer, len(pcm))
            state = self._decoder.saved_state
        if not self._ledger.append_now(self.number, pcm, state, chunks=chunks):
            await self._ledger.append_persistently(self.number, pcm, state, chunks=chunks)

    def _pass_through(self, framer: PcmFramer, pcm_bytes: int) -> None:
        """Note that the stream is PCM, and which of its undecided bytes are in kept input."""
        pending_bytes = len(framer.undecided)
        if not framer.has_audio_left:
            kept_bytes = self._ledger.stream(self.number).kept_bytes - pending_bytes
            self._kept_input.pass_through(self.number, pcm_bytes, 0, later_bytes=pending_bytes)
            framer.note_kept(max(0, self._kept_input.kept_twice_bytes(self.number) - kept_bytes))
        elif self._kept_input.pass_through(self.number, pcm_bytes, pending_bytes):
            framer.note_kept()


def _skipped_by(framer: PcmFramer, chunk: bytes) -> bytes | None:
    """Go on behind ``chunk``, whose audio is dropped; return what of it is a new file."""
    with contextlib.suppress(DecodeError):
        framer.feed(chunk)
    framer.mute()
    return framer.next_file
