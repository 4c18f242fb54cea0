"""Take over a session whose writer is gone, step by step."""

from storage import threads
from storage.checkpoint import Checkpoint
from storage.errors import RecordingNotFoundError
from storage.manifest import Manifest
from storage.observer import Observer
from storage.s3.client.bucket import Bucket
from storage.s3.keys import SessionKeys
from storage.s3.ownership.lease import Lease
from storage.s3.ownership.node import Node
from storage.s3.writing.manifests import read_manifest
from storage.s3.writing.restore import restore_spool
from storage.s3.writing.segment_log import SegmentLog
from storage.s3.writing.spool import Spool, SpoolFolder
from storage.s3.writing.upload import Upload


class Takeover:
    """One attempt to become the writer of an active session.

    After :meth:`run` the attributes hold all that a recording needs to go on.
    """

    lease: Lease
    segments: SegmentLog
    spool: Spool | None
    persisted: Checkpoint
    upload: Upload | None

    def __init__(
        self,
        manifest: Manifest,
        bucket: Bucket,
        node: Node,
        spools: SpoolFolder,
        part_bytes: int,
        observer: Observer,
    ) -> None:
        self.manifest = manifest
        self._observer = observer
        self._bucket = bucket
        self._node = node
        self._spools = spools
        self._part_bytes = part_bytes
        self._keys = SessionKeys.of(manifest)

    async def run(self) -> Spool:
        """Become the writer. Return the spool, which the caller must close.

        Raises `RecordingNotFoundError` if the session is completed or deleted,
        `OwnedElsewhereError` or `FencedError` if another node writes it.
        """
        await self._take_lease()
        await self._find_spool()
        try:
            await self._take_over_segments()
            await self._check_still_active()
            await self._find_upload()
        except BaseException:
            if self.spool is not None:
                self.spool.close()
            raise
        return self.spool or await self._restore_spool()

    async def _take_lease(self) -> None:
        self.lease = await Lease.acquire(self._bucket, self._keys, self._node)
        self.segments = SegmentLog(self._bucket, self._keys, self.manifest.pcm_format, self.lease)

    async def _find_spool(self) -> None:
        self.spool = await threads.recording.run(self._spools.recover, self.manifest)

    async def _take_over_segments(self) -> None:
        self.persisted = await self.segments.take_over(self._check_spool)

    async def _check_spool(self, persisted: Checkpoint) -> None:
        """Note the new epoch in the spool, or discard a spool that is behind the segments.

        The epoch is noted before the segment that names it is written, so that after a crash
        the node recognises its own spool. A spool that another node has written behind must
        not be recognised, so it gets no epoch.
        """
        if self.spool is None:
            return
        if _continues(self.spool, self.segments, persisted):
            await threads.recording.run(self.spool.note_epoch, self.lease.epoch)
        else:
            await threads.recording.run(self.spool.discard)
            self.spool = None

    async def _check_still_active(self) -> None:
        """A session that was completed and cleaned up meanwhile has no segment that refuses."""
        manifest = await read_manifest(self._bucket, self._keys.session_id)
        if manifest.status != "active":
            raise RecordingNotFoundError(manifest.session_id)

    async def _find_upload(self) -> None:
        self.upload = await Upload.find(self._bucket, self._keys.audio, self._part_bytes)

    async def _restore_spool(self) -> Spool:
        """Create the spool from what the bucket holds."""
        spool = await threads.recording.run(self._spools.create, self.manifest, self.lease.epoch)
        try:
            await restore_spool(
                self._bucket,
                spool,
                self.segments,
                self.persisted,
                upload=self.upload,
                part_bytes=self._part_bytes,
                observer=self._observer,
            )
        except BaseException:
            spool.discard()
            raise
        return spool


def _continues(spool: Spool, segments: SegmentLog, persisted: Checkpoint) -> bool:
    """Return whether the spool holds what the segments do, and perhaps more.

    It does not if another node has written since, or if a power cut took what was spooled.
    """
    if segments.last_epoch and segments.last_epoch not in spool.epochs:
        return False
    return _progress(spool.checkpoint) >= _progress(persisted)


def _progress(checkpoint: Checkpoint) -> tuple[int, int]:
    return checkpoint.chunk_count, checkpoint.pcm_bytes
