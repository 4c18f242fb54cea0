"""The final WAV: put part by part while it is recorded, made one object at the end."""

from storage import threads, wav
from storage.errors import RecordingNotFoundError, StorageUnavailableError
from storage.pcm import PcmFormat
from storage.s3.client.bucket import Bucket
from storage.s3.writing.segment_log import SegmentLog
from storage.s3.writing.spool import Spool
from storage.s3.writing.upload import Upload


class FinalFile:
    """The final WAV of one recording. If it is shorter than a part, it is one put at the end."""

    def __init__(
        self,
        bucket: Bucket,
        segments: SegmentLog,
        spool: Spool,
        pcm_format: PcmFormat,
        part_bytes: int,
        upload: Upload | None,
    ) -> None:
        self._bucket = bucket
        self._segments = segments
        self._spool = spool
        self._pcm_format = pcm_format
        self._part_bytes = part_bytes
        self._upload = upload
        self._key = segments.keys.audio

    def has_whole_part(self, pcm_bytes: int) -> bool:
        """Return whether there is a part to put when ``pcm_bytes`` are persisted."""
        return _next_number(self._upload) * self._part_bytes <= wav.HEADER_BYTES + pcm_bytes

    async def put_parts(self, pcm_bytes: int) -> None:
        """Put every part but the first that is whole when ``pcm_bytes`` are persisted."""
        while self.has_whole_part(pcm_bytes):
            upload = await self._upload_or_create()
            start = _part_start(upload.next_number, self._part_bytes)
            await upload.put(upload.next_number, await self._read(start, start + self._part_bytes))
            await threads.recording.run(self._spool.free, *uploaded_pcm(upload, self._part_bytes))

    async def complete(self, pcm_bytes: int) -> str:
        """Put the last part, then the first, and complete the object. Return its ETag."""
        header = wav.header(self._pcm_format, pcm_bytes)
        size_bytes = len(header) + pcm_bytes
        if self._upload is None and size_bytes <= self._part_bytes:
            body = header + await self._read(0, pcm_bytes)
            await self._bucket.put(self._key, body, "audio/wav")
        elif self._upload is not None or not await self._object_is_complete(size_bytes):
            await self.put_parts(pcm_bytes)
            upload = await self._upload_or_create()
            start = _part_start(upload.next_number, self._part_bytes)
            if start < pcm_bytes:
                await upload.put(upload.next_number, await self._read(start, pcm_bytes))
            first = await self._read(0, self._part_bytes - len(header))
            await upload.put(1, header + first)
            await upload.complete(size_bytes)
        head = await self._bucket.head(self._key)
        if head.size_bytes != size_bytes:
            raise StorageUnavailableError(
                f"{self._key} has {head.size_bytes} bytes instead of {size_bytes}"
            )
        return head.etag

    async def _upload_or_create(self) -> Upload:
        if self._upload is None:
            self._upload = await Upload.create(self._bucket, self._key)
        return self._upload

    async def _object_is_complete(self, size_bytes: int) -> bool:
        """Return whether an earlier writer made the object: same length, same audio."""
        try:
            return (await self._bucket.head(self._key)).size_bytes == size_bytes
        except RecordingNotFoundError:
            return False

    async def _read(self, start: int, stop: int) -> bytes:
        """Return PCM from the spool, or from segments if the spool does not hold it."""
        if self._spool.holds(start, stop):
            return await threads.recording.run(self._spool.read, start, stop)
        return b"".join([block async for block in self._segments.read(start, stop)])


def uploaded_pcm(upload: Upload | None, part_bytes: int) -> tuple[int, int]:
    """Return the first and the last byte (exclusive) of the PCM in parts from part 2 on."""
    return _part_start(2, part_bytes), _part_start(_next_number(upload), part_bytes)


def _next_number(upload: Upload | None) -> int:
    return upload.next_number if upload is not None else 2


def _part_start(number: int, part_bytes: int) -> int:
    """Return the first byte of PCM in a part. Part 1 begins with the header instead."""
    return (number - 1) * part_bytes - wav.HEADER_BYTES
