"""Remove sessions from the bucket, many of them with few requests."""

import asyncio
from uuid import UUID

import msgspec

from storage import threads
from storage.base import AgedSession
from storage.errors import StorageError
from storage.manifest import Manifest
from storage.s3 import holds
from storage.s3.cleaning import SessionCleaner, remove_folder
from storage.s3.client.bucket import Bucket
from storage.s3.keys import SessionKeys
from storage.s3.writing.spool import SpoolFolder
from storage.s3.writing.upload import abort_uploads


class DeletedSession(msgspec.Struct, frozen=True):
    """What there is of a session that is to be deleted.

    ``index``: its entries below ``_index/``, but not that in ``_index/active/``. ``is_clean``: if
    the folder of a completed session is gone, so are its uploads, because the cleaner removes them
    first.
    """

    keys: SessionKeys
    index: list[str]
    has_folder: bool = True
    is_clean: bool = False

    @classmethod
    def of_completed(cls, found: AgedSession, manifest: Manifest) -> "DeletedSession":
        keys = SessionKeys.of(manifest)
        index = [*keys.index_of(manifest), *keys.call(manifest.call_hash)]
        return cls(keys, index, found.has_folder, is_clean=True)


class Deletion:
    """Removes every object and file of sessions that no node writes."""

    def __init__(self, bucket: Bucket, spools: SpoolFolder, cleaner: SessionCleaner) -> None:
        self._bucket = bucket
        self._spools = spools
        self._cleaner = cleaner

    async def run(self, sessions: list[DeletedSession]) -> None:
        """Remove the sessions. After an error, the call can be repeated.

        A page of sessions costs four requests, one for the claim of each session, and one or more
        for each that has a folder. Raises `SessionHeldError`, before it removes anything.
        """
        claims = [holds.begin_deletion(self._bucket, each.keys) for each in sessions]
        for error in await asyncio.gather(*claims, return_exceptions=True):
            if error is not None:
                raise error
        for each in sessions:
            await self._cleaner.cancel(each.keys.session_id)
            await threads.recording.run(self._spools.remove, each.keys.session_id)
        folders = [self._remove_folder(each) for each in sessions if each.has_folder]
        for error in await asyncio.gather(*folders, return_exceptions=True):
            if error is not None:
                raise error
        await self._bucket.delete(
            [key for each in sessions for key in (each.keys.audio, *each.index, each.keys.active)]
        )
        # After the audio: a request that makes the waveform meanwhile checks for the audio.
        await self._bucket.delete(
            [
                key
                for each in sessions
                for key in (
                    *(each.keys.peaks, each.keys.blocks, each.keys.timeline),
                    each.keys.details,
                )
            ]
        )
        # After the audio: what adds a link checks for the audio.
        for each in sessions:
            if each.has_folder:
                await self._bucket.delete_below(each.keys.links)
        # Last, so that a deletion that was interrupted can be repeated.
        await self._bucket.delete([each.keys.manifest for each in sessions])
        # Again: a change of details that still found the manifest has put them meanwhile.
        await self._bucket.delete(
            [key for each in sessions for key in (each.keys.details, each.keys.claim)]
        )

    async def run_each(self, sessions: list[DeletedSession]) -> dict[UUID, Exception]:
        """Remove the sessions, and return the errors of those that remain, at least in part."""
        try:
            await self.run(sessions)
        except StorageError:
            # One session must not keep the others of its page.
            ends = await asyncio.gather(
                *(self.run([each]) for each in sessions), return_exceptions=True
            )
        else:
            return {}
        pairs = zip(sessions, ends, strict=True)
        return {each.keys.session_id: end for each, end in pairs if isinstance(end, Exception)}

    async def _remove_folder(self, session: DeletedSession) -> None:
        # SeaweedFS lists folders that are empty.
        if session.is_clean and not await self._bucket.keys(session.keys.folder):
            return
        await abort_uploads(self._bucket, session.keys.audio)
        await remove_folder(self._bucket, session.keys)
