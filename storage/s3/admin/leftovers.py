"""What crashes have left in a bucket and in the spools of this machine. See `storage.leftovers`."""

import contextlib
import enum
import functools
import os
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from storage import threads
from storage.errors import RecordingNotFoundError, StorageError
from storage.leftovers import LeftAlone, Leftover
from storage.s3 import keys
from storage.s3.admin.configuration import PROBES
from storage.s3.client.bucket import Bucket, BucketSettings, ListedObject
from storage.s3.keys import SessionKeys
from storage.s3.writing import spool
from storage.s3.writing.manifests import read_current_manifest
from storage.s3.writing.upload import Upload, list_all_uploads, uploaded_bytes
from storage.volume.paths import SessionPaths, session_of_state


class _State(enum.Enum):
    """What the manifest says of a session. OPEN: it may be written, or must not be touched."""

    MISSING = "missing"
    COMPLETED = "completed"
    OPEN = "open"


# What a session has beside its audio and its manifest, by the end of the key.
_BESIDE = {
    ".dat": "waveform",
    ".sums": "block digests",
    ".times": "timeline",
    ".meta.json": "details",
    ".claim": "claim",
}

_Names = dict[UUID, set[str]]  # at the top level of the bucket, without the id


class BucketLeftovers:
    """See `storage.leftovers.Leftovers`."""

    def __init__(self, bucket: Bucket, spool_folder: Path, *, keep_segments: bool) -> None:
        """``keep_segments``: those of completed sessions are no leftovers."""
        self._bucket = bucket
        self._spool_folder = spool_folder.absolute()
        self._keep_segments = keep_segments

    async def find(self, before: datetime, left_alone: LeftAlone) -> AsyncGenerator[Leftover, None]:
        sessions = await self._sessions()
        searches = (
            self._folders(sessions, before, left_alone),
            self._links(sessions, before, left_alone),
            self._uploads(before, left_alone),
            self._spools(before, left_alone),
            self._beside(sessions, before, left_alone),
            self._probes(before),
            # The mark of an active session is last: it says that the others have to be removed.
            self._index(sessions, before, left_alone),
        )
        for search in searches:
            async with contextlib.aclosing(search):
                async for leftover in search:
                    yield leftover

    async def _sessions(self) -> _Names:
        """Return the names of each session at the top level, such as ``.json`` and ``/``."""
        found: _Names = {}
        async for listing in self._bucket.listings("", delimiter="/"):
            for name in (*(each.key for each in listing.objects), *listing.folders):
                if (parsed := keys.top_level_name(name)) is not None:
                    found.setdefault(parsed[0], set()).add(parsed[1])
        return found

    async def _state(self, session_id: UUID, before: datetime, left_alone: LeftAlone) -> "_State":
        try:
            manifest = await read_current_manifest(self._bucket, session_id)
        except RecordingNotFoundError:
            return _State.MISSING
        except StorageError as error:
            left_alone(str(session_id), error)
            return _State.OPEN
        is_old = manifest.completed_at is not None and manifest.completed_at < before
        return _State.COMPLETED if is_old and not manifest.hold else _State.OPEN

    async def _folders(
        self, sessions: _Names, before: datetime, left_alone: LeftAlone
    ) -> AsyncGenerator[Leftover, None]:
        """Find segments, kept input and epochs of completed sessions; epochs without a session."""
        for session_id in sorted(each for each, names in sessions.items() if "/" in names):
            session = SessionKeys(session_id)
            state = await self._state(session_id, before, left_alone)
            if state is _State.OPEN:
                continue
            is_kept = state is _State.COMPLETED and self._keep_segments
            objects = await self._objects(session.folder)
            if is_kept:
                objects = [each for each in objects if not each.key.startswith(session.segments)]
            if not objects or _newest(objects) >= before:  # SeaweedFS lists empty folders
                continue
            audio = (session.segments, session.inputs)
            has_audio = any(each.key.startswith(audio) for each in objects)
            if state is _State.MISSING and has_audio:
                left_alone(self._bucket.url(session.folder), "it has audio and no manifest")
                continue
            # Epochs first, as `storage.s3.cleaning` does.
            rest = [session.inputs, session.digests] if is_kept else [session.folder]
            prefixes = [session.epochs, *rest]
            yield Leftover(
                "segments",
                self._bucket.url(session.folder),
                sum(each.size_bytes for each in objects),
                _newest(objects),
                functools.partial(self._delete_below, prefixes),
            )

    async def _links(
        self, sessions: _Names, before: datetime, left_alone: LeftAlone
    ) -> AsyncGenerator[Leftover, None]:
        """Find shared links of sessions without a manifest."""
        for session_id in sorted(each for each, names in sessions.items() if ".links/" in names):
            links = SessionKeys(session_id).links
            if await self._state(session_id, before, left_alone) is not _State.MISSING:
                continue
            objects = await self._objects(links)
            if objects and _newest(objects) < before:
                yield Leftover(
                    "shared links",
                    self._bucket.url(links),
                    sum(each.size_bytes for each in objects),
                    _newest(objects),
                    functools.partial(self._delete_below, [links]),
                )

    async def _uploads(
        self, before: datetime, left_alone: LeftAlone
    ) -> AsyncGenerator[Leftover, None]:
        async for key, upload_id, begun_at in list_all_uploads(self._bucket):
            parsed = keys.top_level_name(key)
            if parsed is None or parsed[1] != ".wav" or begun_at >= before:
                continue
            session = SessionKeys(parsed[0])
            state = await self._state(session.session_id, before, left_alone)
            if state is _State.OPEN:
                continue
            if state is _State.MISSING and await self._bucket.keys(session.segments):
                left_alone(self._bucket.url(key), "its session has audio and no manifest")
                continue
            upload = Upload(self._bucket, key, upload_id, {})
            size_bytes = await uploaded_bytes(self._bucket, key, upload_id)
            url = self._bucket.url(key)
            yield Leftover("upload", url, size_bytes, begun_at, upload.abort)

    async def _spools(
        self, before: datetime, left_alone: LeftAlone
    ) -> AsyncGenerator[Leftover, None]:
        """Find spools of completed sessions: no process writes them, nor opens them again."""
        for folder, session_id in await threads.listing.run(_spools_below, self._spool_folder):
            paths = SessionPaths(folder, session_id)
            state = await self._state(session_id, before, left_alone)
            if state is _State.MISSING:
                left_alone(str(paths.state), "the bucket does not have its session")
            if state is not _State.COMPLETED:
                continue
            size_bytes, changed_at = await threads.listing.run(_size_and_change, paths)
            if changed_at < before:
                remove = functools.partial(threads.recording.run, spool.remove, paths)
                yield Leftover("spool", str(paths.state), size_bytes, changed_at, remove)

    async def _beside(
        self, sessions: _Names, before: datetime, left_alone: LeftAlone
    ) -> AsyncGenerator[Leftover, None]:
        """Find what a process that was killed has put after a deletion had passed by."""
        for session_id, names in sorted(sessions.items()):
            if {".json", ".wav"} & names or not names & _BESIDE.keys():
                continue
            if await self._bucket.keys(SessionKeys(session_id).folder):
                continue  # segments may be audio without a manifest
            if await self._state(session_id, before, left_alone) is not _State.MISSING:
                continue
            for each in await self._objects(str(session_id)):
                kind = _BESIDE.get(each.key.removeprefix(str(session_id)))
                if kind is not None and each.modified_at < before:
                    remove = functools.partial(self._bucket.delete, [each.key])
                    url = self._bucket.url(each.key)
                    yield Leftover(kind, url, each.size_bytes, each.modified_at, remove)

    async def _index(
        self, sessions: _Names, before: datetime, left_alone: LeftAlone
    ) -> AsyncGenerator[Leftover, None]:
        """Find entries of sessions without a manifest, and marks of completed ones."""
        marks = (keys.CALLS, keys.ACTIVE)
        for prefix in (keys.BY_TIME, keys.BY_USER, keys.EXPIRING, *marks):
            async for page in self._bucket.pages(prefix):
                for each in page:
                    session_id = keys.session_of(each.key)
                    if session_id is None or each.modified_at >= before:
                        continue
                    is_needed = ".json" in sessions.get(session_id, ())
                    if prefix in marks and is_needed:
                        state = await self._state(session_id, before, left_alone)
                        is_needed = state is _State.OPEN
                    if not is_needed:
                        remove = functools.partial(self._bucket.delete, [each.key])
                        url = self._bucket.url(each.key)
                        yield Leftover(
                            "index entry", url, each.size_bytes, each.modified_at, remove
                        )

    async def _probes(self, before: datetime) -> AsyncGenerator[Leftover, None]:
        for each in await self._objects(PROBES):
            if each.modified_at < before:
                remove = functools.partial(self._bucket.delete, [each.key])
                url = self._bucket.url(each.key)
                yield Leftover("probe", url, each.size_bytes, each.modified_at, remove)

    async def _objects(self, prefix: str) -> list[ListedObject]:
        return [each async for page in self._bucket.pages(prefix) for each in page]

    async def _delete_below(self, prefixes: list[str]) -> None:
        for prefix in prefixes:
            await self._bucket.delete_below(prefix)


@contextlib.asynccontextmanager
async def open_leftovers(
    settings: BucketSettings, spool_folder: Path, *, keep_segments: bool
) -> AsyncIterator[BucketLeftovers]:
    """Open a bucket without being a node of the service."""
    bucket = Bucket(settings)
    await bucket.start()
    try:
        yield BucketLeftovers(bucket, spool_folder, keep_segments=keep_segments)
    finally:
        await bucket.stop()


def _newest(objects: list[ListedObject]) -> datetime:
    return max(each.modified_at for each in objects)


def _spools_below(root: Path) -> list[tuple[Path, UUID]]:
    """Return the spools of a process that serves alone and those of workers."""
    found = []
    for folder in [root, *_folders_of_workers(root)]:
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            sessions = (session_of_state(entry.name) for entry in entries)
            found += [(folder, each) for each in sessions if each is not None]
    return found


def _folders_of_workers(root: Path) -> list[Path]:
    with contextlib.suppress(OSError), os.scandir(root) as entries:
        return [Path(entry.path) for entry in entries if entry.name.isdecimal()]
    return []


def _size_and_change(paths: SessionPaths) -> tuple[int, datetime]:
    """Return the bytes on the disk of a spool, and when it was last written."""
    found: list[Any] = []
    for path in (paths.audio, paths.state, *_children(paths.state)):
        with contextlib.suppress(OSError):
            found.append(path.stat())
    changed_at = max((each.st_mtime for each in found), default=0.0)
    return sum(each.st_blocks * 512 for each in found), datetime.fromtimestamp(changed_at, UTC)


def _children(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return list(folder.iterdir())
    return []
