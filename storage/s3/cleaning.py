"""Clean up completed sessions in the background.

Until it is done, the session stays marked as active, so that the next process finds it.
"""

import asyncio
import hashlib
import logging
from uuid import UUID

import msgspec

from storage import threads
from storage.errors import RecordingNotFoundError
from storage.manifest import Manifest
from storage.s3.client.bucket import Bucket
from storage.s3.keys import SessionKeys
from storage.s3.reading.audio import FinalObject
from storage.s3.writing.digest import put_waveform
from storage.s3.writing.manifests import put_completed_manifest_of_existing, read_manifest
from storage.s3.writing.spool import SpoolFolder
from storage.s3.writing.upload import abort_uploads
from storage.waveform.measuring import measure

logger = logging.getLogger(__name__)

_STOP_SECONDS = 2


async def remove_folder(bucket: Bucket, session: SessionKeys) -> None:
    """Remove everything but the audio, the waveform and the manifest.

    Epochs are deleted before segments, so that a slow writer always meets one of the two.
    """
    await bucket.delete_below(session.epochs)
    await bucket.delete_below(session.folder)


class SessionCleaner:
    """Removes segments, input, uploads and spools of ended sessions. Adds a missing digest."""

    def __init__(self, bucket: Bucket, spools: SpoolFolder, *, keep_segments: bool) -> None:
        self._bucket = bucket
        self._spools = spools
        self._keep_segments = keep_segments
        self._tasks: dict[UUID, asyncio.Task[None]] = {}

    def start(self, session_id: UUID) -> None:
        if session_id not in self._tasks:
            task = asyncio.create_task(self._clean(session_id), name=f"clean-{session_id}")
            self._tasks[session_id] = task
            task.add_done_callback(lambda _: self._tasks.pop(session_id, None))

    async def cancel(self, session_id: UUID) -> None:
        """Stop cleaning a session that is about to be deleted."""
        if task := self._tasks.get(session_id):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def stop(self) -> None:
        """Wait two seconds for the cleaning that runs. Leave the rest to the next start."""
        if tasks := list(self._tasks.values()):
            await asyncio.wait(tasks, timeout=_STOP_SECONDS)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _clean(self, session_id: UUID) -> None:
        session = SessionKeys(session_id)
        try:
            manifest = await self._find_manifest(session)
            if manifest is not None and manifest.status != "completed":
                return  # another node has taken it over
            # The spool is still here if the process died right after it put the manifest.
            await threads.recording.run(self._spools.remove, session_id)
            await abort_uploads(self._bucket, session.audio)
            if self._keep_segments:
                await self._bucket.delete_below(session.inputs)
                await self._bucket.delete_below(session.digests)
            else:
                await remove_folder(self._bucket, session)
            call_hash = None if manifest is None else manifest.call_hash
            await self._bucket.delete([*session.call(call_hash), session.active])
        except Exception:
            logger.exception(
                "%s: failed to clean up, the next start removes the segments", session_id
            )

    async def _find_manifest(self, session: SessionKeys) -> Manifest | None:
        """Return the manifest, None if the session is deleted. Add a missing digest."""
        try:
            manifest = await read_manifest(self._bucket, session.session_id)
        except RecordingNotFoundError:
            await self._bucket.delete(session.index(None))
            return None
        if manifest.status == "completed" and manifest.sha256 is None:
            await self._add_digest(session, manifest)
        return manifest

    async def _add_digest(self, session: SessionKeys, manifest: Manifest) -> None:
        """Add the digest if the last writer had not read all that an earlier one persisted."""
        head = await self._bucket.head(session.audio)
        audio = FinalObject(self._bucket, session.audio, head.size_bytes)
        digest = hashlib.sha256()
        found = await measure(audio, manifest.pcm_format, on_block=digest.update)
        await put_waveform(self._bucket, session, found.encode())
        manifest = msgspec.structs.replace(manifest, sha256=digest.hexdigest())
        await put_completed_manifest_of_existing(self._bucket, manifest)
