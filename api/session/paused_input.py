"""The input of a stream during a pause: what its decoder needs to go on is kept, nothing else.

ffmpeg gets the head of the stream once more, and then what comes after the pause.
"""

import contextlib

import msgspec

from api.audio.ffmpeg.feed import FfmpegFeed
from api.audio.formats import DecodeError
from api.audio.head import Detection
from api.audio.pcm import PcmFramer
from api.audio.stream_heads import MAX_HEAD_BYTES, StreamHead, block_bytes_behind, find_head
from api.session.kept_input import KeptInput
from api.session.pauses import Pauses
from api.session.stream_files import StreamFiles
from storage import threads
from storage.checkpoint import StreamCheckpoint
from storage.pcm import PcmFormat

# The bytes of a sample in the raw formats that ffmpeg decodes.
_RAW_BYTES = {"pcm_f32le": 4, "mulaw": 1, "alaw": 1}


class PausedInput:
    """Skips the chunks of one stream during a pause, and finds where it goes on."""

    def __init__(
        self, files: StreamFiles, pcm_format: PcmFormat, *, kept_input: KeptInput, pauses: Pauses
    ) -> None:
        self._files = files
        self._pcm_format = pcm_format
        self._kept_input = kept_input
        self._pauses = pauses
        self._block_bytes = 1  # of what follows the head
        self._position_bytes = 0  # in what follows the head, before what comes after the pause

    async def begin(self) -> None:
        """Continue with the head of the stream as the next file."""
        start = await self._kept_input.read(self._files.number, MAX_HEAD_BYTES)
        # In a thread: a header of a megabyte may have a hundred thousand elements.
        head = await threads.reading.run(find_head, self._files.decoder.kind, start)
        if head is None:
            return  # the head is not whole, and there is no audio
        position_bytes = self._files.saved.kept_bytes - head.length
        head_bytes = start[: head.length]
        await self._files.begin_file(b"", head_bytes, kept_twice_bytes=head.length, is_cut=True)
        await self._join(head, position_bytes)
        if head_bytes:
            await self._files.decode(head_bytes)

    async def skip(self, chunk: bytes) -> None:
        """Count ``chunk`` and record nothing of it; keep only what is no audio.

        Frames go on where they would be, so that those after the pause are whole.
        """
        if self._files.decoder.has_input and self._files.begins_file(chunk):
            await self._files.begin_file(b"", b"")
        stage = self._files.decoder.stage
        if self._files.has_only_head:
            self._position_bytes += len(chunk)
        elif isinstance(stage, Detection):
            await self._skip_undecided(chunk)
            return
        elif isinstance(stage, FfmpegFeed):  # the head was not whole at the pause
            await self._keep_head(chunk)
            return
        elif isinstance(stage, PcmFramer) and (rest := _skipped_by(stage, chunk)) is not None:
            await self._files.begin_file(b"", b"")
            await self.skip(rest)
            return
        await self._pauses.skip_chunk(self._checkpoint(), len(chunk))

    async def go_on(self, chunk: bytes) -> None:
        """Record the first chunk behind a pause, from its first whole block on."""
        block = chunk[-self._position_bytes % self._block_bytes :]
        if not block:
            self._position_bytes += len(chunk)
            await self._pauses.skip_chunk(self._checkpoint(), len(chunk))
            return
        self._files.leave_head()
        await self._kept_input.keep(self._files.number, block)
        await self._files.decode(block)

    async def restore(self, pcm_bytes: int, skipped_bytes: int) -> None:
        """Go on behind the pause in which only the head of the stream was kept."""
        head = await self._kept_input.read(self._files.number, MAX_HEAD_BYTES)
        block_bytes = block_bytes_behind(self._files.decoder.kind, head)
        self._stand_behind(pcm_bytes, block_bytes, skipped_bytes)

    async def _skip_undecided(self, chunk: bytes) -> None:
        """Skip a chunk of a stream whose format is not known; it may show the format."""
        try:
            await self._files.decoder.feed(chunk)
        except DecodeError as error:
            await self._files.fail(error)
        match self._files.decoder.stage:
            case Detection():  # too few bytes for audio
                await self._kept_input.keep(self._files.number, chunk)
            case FfmpegFeed():
                await self._keep_head(chunk)
            case stage:
                if isinstance(stage, PcmFramer):
                    stage.mute()
                await self._pauses.skip_chunk(self._checkpoint(), len(chunk))

    async def _keep_head(self, chunk: bytes) -> None:
        """Keep the bytes of ``chunk`` that belong to the head, and begin again with those."""
        kept = await self._kept_input.read(self._files.number, MAX_HEAD_BYTES)
        try:
            head = await threads.reading.run(find_head, self._files.decoder.kind, kept + chunk)
        except DecodeError as error:
            await self._files.decoder.abort(str(error))
            await self._files.fail(error)
            await self._pauses.skip_chunk(self._checkpoint(), len(chunk))
            return
        if head is None:
            await self._kept_input.keep(self._files.number, chunk)
            return
        await self._files.decoder.abort()
        self._files.restart()
        more = chunk[: max(0, head.length - len(kept))]
        await self._kept_input.keep(self._files.number, more)
        skipped_bytes = len(chunk) - len(more)
        if skipped_bytes:
            await self._pauses.skip(skipped_bytes)
        await self._join(head, skipped_bytes)
        if head.length:
            await self._files.decode(kept + more)

    async def _join(self, head: StreamHead, position_bytes: int) -> None:
        frames = int(head.seconds * self._pcm_format.sample_rate)
        pcm_bytes = frames * self._pcm_format.frame_bytes
        self._stand_behind(pcm_bytes, head.block_bytes, position_bytes)
        self._files.decoder.skip_replayed(pcm_bytes)
        await self._kept_input.keep_head(self._files.number, pcm_bytes, position_bytes)

    def _stand_behind(self, pcm_bytes: int, block_bytes: int, position_bytes: int) -> None:
        self._files.stand_behind_head(pcm_bytes)
        self._block_bytes, self._position_bytes = block_bytes, position_bytes
        if self._files.decoder.kind in _RAW_BYTES:
            self._block_bytes = _RAW_BYTES[self._files.decoder.kind] * self._pcm_format.channels

    def _checkpoint(self) -> StreamCheckpoint:
        """Return the checkpoint of the stream, with the state of its decoder."""
        saved, state = self._files.saved, self._files.decoder.saved_state
        if self._files.has_only_head:
            return msgspec.structs.replace(saved, skipped_bytes=self._position_bytes)
        if not state or state == saved.state:
            return saved
        return StreamCheckpoint(self._files.number, saved.kept_bytes, 0, state)


def _skipped_by(framer: PcmFramer, chunk: bytes) -> bytes | None:
    """Go on behind ``chunk``, whose audio is dropped; return what of it is a new file."""
    with contextlib.suppress(DecodeError):
        framer.feed(chunk)
    framer.mute()
    return framer.next_file
