"""The segments of one session: the truth of what is persisted.

A segment is a WAV of the audio since the one before. Its metadata holds the checkpoint
that it brings the recording to, so the last segment tells all there is to know. Release 0.2.0
knows no pause. Once a session was paused, its checkpoints have a name that 0.2.0 does not look for,
so it calls the session damaged and cannot take it over.
"""

import base64
from array import array
from bisect import bisect_right
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import uuid_utils.compat

from storage import wav
from storage.checkpoint import MAX_RECORD_BYTES, Checkpoint, decode_record, encode_record
from storage.errors import (
    BadObjectError,
    FencedError,
    RecordingNotFoundError,
    StorageUnavailableError,
    decoding,
)
from storage.pcm import PcmFormat
from storage.s3.client.bucket import Bucket, KeyExistsError
from storage.s3.keys import SessionKeys, segment_sequence
from storage.s3.ownership.lease import Lease
from storage.s3.writing.segment import SEGMENT_HEADER_BYTES, Segment

_CHECKPOINT = "checkpoint"
_CHECKPOINT_AFTER_PAUSE = "checkpoint-2"
_EPOCH = "epoch"
_COMPLETED_AT = "completed-at"
_BLOCK_BYTES = 1024 * 1024


class SegmentLog:
    """Appends segments, and reads any range of their PCM."""

    def __init__(
        self,
        bucket: Bucket,
        keys: SessionKeys,
        pcm_format: PcmFormat,
        lease: Lease | None = None,
    ) -> None:
        self._bucket = bucket
        self.keys = keys
        self._lease = lease  # None if it is only read
        self.last_epoch = 0  # of the writer of the last segment found; 0 if there is none
        self.completed_at: datetime | None = None  # set if the last segment completes the session
        self.requires_release = False  # set if 0.2.0 must not continue the session
        self.pcm_format = pcm_format
        self._segment_ends = array("Q")  # where each segment's PCM ends, in bytes of the recording
        self._write_id = str(uuid_utils.compat.uuid7())

    async def load(self) -> Checkpoint:
        """List the segments. Return the checkpoint of the last one."""
        found = [entry async for page in self._bucket.pages(self.keys.segments) for entry in page]
        sizes = {entry.key: entry.size_bytes for entry in found}
        stops = array("Q")
        numbers = self._bucket.skipped.parsed(sizes, segment_sequence)
        for expected, sequence in enumerate(sorted(numbers)):
            key = self.keys.segment(sequence)
            pcm_bytes = sizes[key] - SEGMENT_HEADER_BYTES
            if sequence != expected:
                raise BadObjectError(f"{self.keys.segment(expected)} is missing")
            if pcm_bytes < 0 or pcm_bytes % self.pcm_format.frame_bytes:
                raise BadObjectError(f"{key} is not a segment: it has {sizes[key]} bytes")
            stops.append((stops[-1] if stops else 0) + pcm_bytes)
        self._segment_ends = stops
        if not numbers:
            return Checkpoint()
        key = self.keys.segment(len(numbers) - 1)
        metadata = (await self._bucket.head(key)).metadata
        with decoding(f"{key} does not say how far its recording got"):
            self.last_epoch = int(metadata.get(_EPOCH, 0))
            if _COMPLETED_AT in metadata:
                self.completed_at = datetime.fromisoformat(metadata[_COMPLETED_AT]).astimezone(UTC)
            self.requires_release = _CHECKPOINT_AFTER_PAUSE in metadata
            return decode_metadata(metadata.get(self._checkpoint_name, ""), self.pcm_bytes)

    async def take_over(self, on_loaded: Callable[[Checkpoint], Awaitable[None]]) -> Checkpoint:
        """Load the segments and append an empty one, which stops the previous writer.

        A segment that the previous writer is putting either has the next key already, or will
        never get it. Nothing is appended after a segment that completes the session. Before each
        try ``on_loaded`` is called with the checkpoint found. Raises `FencedError` if another
        writer was faster.
        """
        while True:
            checkpoint = await self.load()
            if self.last_epoch > self.lease.epoch:
                raise FencedError(str(self.keys.session_id))
            await on_loaded(checkpoint)
            if self.completed_at is None:
                try:
                    await self.append(b"", checkpoint)
                except KeyExistsError:
                    continue
            return checkpoint

    @property
    def lease(self) -> Lease:
        if self._lease is None:
            raise StorageUnavailableError("these segments were opened to be read")
        return self._lease

    @property
    def _checkpoint_name(self) -> str:
        return _CHECKPOINT_AFTER_PAUSE if self.requires_release else _CHECKPOINT

    @property
    def count(self) -> int:
        return len(self._segment_ends)

    @property
    def pcm_bytes(self) -> int:
        return self._segment_ends[-1] if self._segment_ends else 0

    async def seal(self, checkpoint: Checkpoint, at: datetime) -> None:
        """Append the segment that completes the session. Any node can finish the completion."""
        if self.completed_at is None:
            await self.append(b"", checkpoint, completed_at=at)
            self.completed_at = at

    async def append(
        self, pcm: bytes, checkpoint: Checkpoint, completed_at: datetime | None = None
    ) -> None:
        """Write the next segment.

        After a failure the segment may exist nevertheless: the caller must repeat the same call.
        Raises `KeyExistsError` or `FencedError` if another writer has taken over.
        """
        key = self.keys.segment(self.count)
        record = encode_record(checkpoint)
        if len(record) > MAX_RECORD_BYTES:
            raise StorageUnavailableError(f"a checkpoint of {len(record)} bytes")
        body = Segment(self.pcm_format, pcm).encode()
        if checkpoint.pause is not None:  # begun by a process that died before this segment
            self.requires_release = True
        checkpoint_text = base64.b64encode(record).decode()
        metadata = {self._checkpoint_name: checkpoint_text, _EPOCH: str(self.lease.epoch)}
        if completed_at is not None:
            metadata[_COMPLETED_AT] = completed_at.isoformat()
        await self._bucket.create(key, body, "audio/wav", metadata, self._write_id)
        # If another node has completed the session and cleaned it up, the key was free again.
        await self.lease.verify()
        self._segment_ends.append(self.pcm_bytes + len(pcm))

    async def read(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """Yield PCM from byte ``start`` to ``stop``, from the final file if segments are gone."""
        sequence = bisect_right(self._segment_ends, start)
        while start < stop:
            begin = self._segment_ends[sequence - 1] if sequence else 0
            until = min(stop, self._segment_ends[sequence], start + _BLOCK_BYTES)
            offset = SEGMENT_HEADER_BYTES - begin
            try:
                yield await self._bucket.get(
                    self.keys.segment(sequence), start + offset, until + offset
                )
            except RecordingNotFoundError:
                offset = wav.HEADER_BYTES
                yield await self._bucket.get(self.keys.audio, start + offset, until + offset)
            start = until
            while sequence < self.count and start >= self._segment_ends[sequence]:
                sequence += 1


def decode_metadata(text: str, pcm_bytes: int) -> Checkpoint:
    """Return the checkpoint in the metadata. Raises ``ValueError``."""
    checkpoint = decode_record(base64.b64decode(text, validate=True))
    if checkpoint is None or checkpoint.pcm_bytes != pcm_bytes:
        raise ValueError("no checkpoint of its audio")
    return checkpoint
