"""The files of one input stream, decoded and recorded one after the other.

A restarted recorder sends a new header in the middle of its stream. Each file has a number of its
own in the checkpoints of the recording, and a decoder of its own.
"""

from collections.abc import AsyncIterator, Callable
from functools import partial

from api.audio.detection import begins_container
from api.audio.ffmpeg.launcher import DecoderLauncher
from api.audio.formats import DecodeError, DecoderLostError, InputKind
from api.audio.pcm import PcmFramer
from api.audio.stream_decoder import StreamDecoder
from api.session.kept_input import KeptInput
from api.session.ledger import Ledger
from api.weak_method import weak_method
from api.wire.errors import SessionCompletedError
from storage.checkpoint import StreamCheckpoint
from storage.errors import FencedError
from storage.pcm import Buffer, PcmFormat

# Each new file in a chunk stores the rest of the chunk once more.
_MAX_FILES_PER_CHUNK = 100


class StreamFiles:
    """Has the current file: its ``number``, its ``decoder``, and the damage already ``told``.

    ``has_only_head``: the file goes on behind a pause, and nothing of what follows its head is
    kept.
    """

    __slots__ = (
        "__weakref__",
        "_head_pcm_bytes",
        "_is_joining",
        "_kept_input",
        "_ledger",
        "_new_decoder",
        "_next_number",
        "decoder",
        "has_only_head",
        "is_aborted",
        "number",
        "recorded_bytes",
        "told",
    )

    def __init__(
        self,
        number: int,
        declared: InputKind,
        pcm_format: PcmFormat,
        *,
        launcher: DecoderLauncher,
        ledger: Ledger,
        kept_input: KeptInput,
        next_number: Callable[[], int],
    ) -> None:
        """``number`` identifies the first file in the checkpoints of the recording.

        ``next_number`` returns the number of the next one.
        """
        self.number = number
        self.recorded_bytes = 0  # of all files
        self._ledger = ledger
        self._kept_input = kept_input
        self._next_number = next_number
        self._new_decoder = partial(
            StreamDecoder,
            declared,
            pcm_format,
            launcher=launcher,
            emit=weak_method(self._write),
            emit_now=weak_method(self._write_now),
        )
        self.decoder = self._new_decoder()
        self.told: DecodeError | None = None  # the damage that is a warning already
        self.is_aborted = False
        self.has_only_head = False
        self._head_pcm_bytes = 0  # what the head decodes to, which is recorded already
        self._is_joining = False  # behind a pause, in the middle of an element

    @property
    def saved(self) -> StreamCheckpoint:
        """Return the last checkpoint of the current file."""
        return self._ledger.stream(self.number)

    async def restore(self, saved: StreamCheckpoint, kept_input: AsyncIterator[bytes]) -> None:
        """Continue the file that was ``saved``, and those behind it in its kept input."""
        async for pcm in self.decoder.restore(saved.state, kept_input, saved.pcm_bytes):
            await self._write(pcm)
            if (rest := self.decoder.next_file) is not None:
                rest += b"".join([block async for block in kept_input])
                await self.begin_file(b"", rest, kept_twice_bytes=len(rest))
                await self.decode(rest)
                break

    def note_covered(self) -> None:
        """Tell the decoder of a restored file which bytes of its next frame are kept."""
        framer = self.decoder.passthrough
        if framer is not None and framer.has_audio_left:
            framer.note_kept(self._kept_input.covered_bytes(self.number))

    def stand_behind_head(self, pcm_bytes: int) -> None:
        """Note that only the head is kept, which decodes to ``pcm_bytes`` recorded already."""
        self.has_only_head = self._is_joining = True
        self._head_pcm_bytes = pcm_bytes

    def leave_head(self) -> None:
        """Note that what follows is kept again."""
        self.has_only_head = False

    def restart(self) -> None:
        """Begin with a new decoder, after the end or the abort of the last one."""
        self.decoder = self._new_decoder()

    async def abort(self) -> None:
        """Stop the decoder; the last checkpoint can be restored."""
        self.is_aborted = True
        await self.decoder.abort()

    @property
    def has_input(self) -> bool:
        """Return whether any byte of the stream has arrived."""
        return self.decoder.has_input

    async def warn_of_damage(self) -> None:
        """Warn of damage when it is known, not only at the end of the stream. Idempotent."""
        damage = self.decoder.damage
        if self._is_joining:
            if not self._has_joined():
                return  # what comes in front of the first whole element is no damage
            self._is_joining, self.told = False, damage
        if damage is not None and self.told is None:
            self.told = damage
            await self._ledger.warn(damage.code, str(damage))

    def _has_joined(self) -> bool:
        """Return whether anything behind the pause was decoded."""
        return self.saved.pcm_bytes > self._head_pcm_bytes

    async def fail(self, error: DecodeError) -> None:
        """Record that the stream has failed, with a warning unless it has been given."""
        await self._kept_input.fail(self.number, self.decoder.saved_state, self._untold(error))

    def check_not_aborted(self) -> None:
        """Raise :class:`SessionCompletedError` if `abort` has caused the current error."""
        if self.is_aborted:
            raise SessionCompletedError(self._ledger.session_id)

    def begins_file(self, chunk: bytes) -> bool:
        """Return whether ``chunk`` as a whole belongs to a new file.

        Behind a pause the element before it is unknown, so only its start can show that.
        """
        is_shown = self.has_only_head and begins_container(chunk)
        return is_shown or self.decoder.begins_file(chunk)

    async def pass_through(self, framer: PcmFramer, chunk: bytes) -> None:
        """Record a chunk of a stream that passes through.

        What of it is not PCM, such as the end of a WAV, is kept for the digest of the input.
        """
        state, before, covered_bytes = framer.state(), framer.unkept, framer.covered_bytes
        expected_bytes = len(framer.undecided) + len(chunk)
        try:
            pcm = await self.decoder.feed(chunk)
        except DecodeError:
            await self._keep_passed(before + chunk, b"", state, 0, covered_bytes=covered_bytes)
            raise
        if (rest := self.decoder.next_file) is not None:
            await self.begin_file(
                pcm,
                rest,
                kept_twice_bytes=len(rest),
                chunks=1,
                last_input=before + chunk,
                covered_bytes=covered_bytes,
            )
            await self.decode(rest)
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

    async def decode(self, data: bytes) -> None:
        """Decode ``data``, which is kept and counted: one file, or several."""
        for _ in range(_MAX_FILES_PER_CHUNK):
            pcm = await self.decoder.feed(data)
            rest = self.decoder.next_file
            if rest is None:
                await self._write(pcm)
                return
            await self.begin_file(pcm, rest, kept_twice_bytes=len(rest))
            data = rest
        await self.decoder.abort(f"more than {_MAX_FILES_PER_CHUNK} files begin in one chunk")
        await self.decoder.feed(b"")  # raises the failure

    async def begin_file(
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
        known = self.decoder.damage
        try:
            pcm, damage = await self._finish(pcm, is_cut=is_cut)
            if is_cut and known is None:
                damage = None
        except DecodeError:
            self.check_not_aborted()
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

    async def end(self) -> None:
        """Record the end of the last file. Raises `FencedError` if the stream was aborted."""
        if self.has_only_head:
            await self.decoder.abort()
            await self._kept_input.remove(self.number, None)
            return
        try:
            pcm, damage = await self._finish(b"")
        except (DecodeError, DecoderLostError, SessionCompletedError) as error:
            if self.is_aborted:
                # The session is released before it is completed; its next owner completes it.
                raise FencedError(self._ledger.session_id) from error
            raise
        await self._write(pcm)
        if last := self._last_frame():
            await self._keep_passed(last, b"", self.decoder.saved_state, 0, chunks=0)
        await self._kept_input.remove(self.number, self._untold(damage))

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
        self.check_not_aborted()  # `abort` ends the decoder of its time only
        self.has_only_head = self._is_joining = False
        self.told = None
        self.restart()

    def _last_frame(self) -> bytes:
        """Return the incomplete frame at the end of a stream that passes through."""
        framer = self.decoder.passthrough
        if framer is None or not self.saved.state:
            return b""
        return framer.unkept

    async def _finish(
        self, pcm: Buffer, *, is_cut: bool = False
    ) -> tuple[bytes, DecodeError | None]:
        """End the current file, and those that only its end reveals.

        Return ``pcm`` and what is not recorded of the last file: its last PCM and its damage.
        Raises :class:`DecodeError` if the stream was aborted, and :class:`DecoderLostError`.
        """
        if self.has_only_head:
            await self.decoder.abort()
            return bytes(pcm), None
        damage: DecodeError | None = None
        is_known = self.decoder.next_file is not None
        while True:
            try:
                pcm = bytes(pcm) + bytes(await self.decoder.finish(is_cut=is_cut))
            except DecodeError as error:
                if self.is_aborted:
                    raise
                damage = None if self._is_joining and self._has_joined() else error
            rest = None if is_known else self.decoder.next_file
            if rest is None:
                return bytes(pcm), damage
            await self._replace(pcm, damage, rest, kept_twice_bytes=len(rest))
            pcm, damage = b"", None
            try:
                await self.decode(rest)
            except DecodeError as error:
                damage = error

    def _untold(self, damage: DecodeError | None) -> DecodeError | None:
        """Return ``damage`` if there is no warning of it yet."""
        return None if damage is self.told else damage

    def _write_now(self, pcm: Buffer) -> bool:
        """Do what :meth:`_write` does with PCM of ffmpeg, if nothing has to be awaited."""
        self._kept_input.keep_all(self.number)
        if not self._ledger.append_now(self.number, pcm, b""):
            return False
        self.recorded_bytes += len(pcm)
        return True

    async def _write(self, pcm: Buffer, *, chunks: int = 0) -> None:
        state = self.decoder.saved_state
        if not pcm and not chunks and state == self.saved.state:
            return
        self.recorded_bytes += len(pcm)
        framer = self.decoder.passthrough
        if framer is None:
            self._kept_input.keep_all(self.number)
        elif state and not self.saved.state:
            self._note_passing(framer, len(pcm))
            state = self.decoder.saved_state
        if not self._ledger.append_now(self.number, pcm, state, chunks=chunks):
            await self._ledger.append_persistently(self.number, pcm, state, chunks=chunks)

    def _note_passing(self, framer: PcmFramer, pcm_bytes: int) -> None:
        """Note that the stream is PCM, and which of its undecided bytes are in kept input."""
        pending_bytes = len(framer.undecided)
        if not framer.has_audio_left:
            kept_bytes = self.saved.kept_bytes - pending_bytes
            self._kept_input.pass_through(self.number, pcm_bytes, 0, later_bytes=pending_bytes)
            framer.note_kept(max(0, self._kept_input.kept_twice_bytes(self.number) - kept_bytes))
        elif self._kept_input.pass_through(self.number, pcm_bytes, pending_bytes):
            framer.note_kept()
