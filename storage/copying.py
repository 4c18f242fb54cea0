"""Copies completed sessions from one archive to another and verifies each by its SHA-256."""

import contextlib
import enum
import hashlib
from collections.abc import AsyncIterator, Callable
from uuid import UUID

import msgspec

from storage import wav
from storage.archive import AnyArchive, StoredAudio
from storage.details import DetailChanges, Details
from storage.errors import (
    BadObjectError,
    RecordingNotFoundError,
    StorageError,
    StorageUnavailableError,
)
from storage.manifest import VERSION, Manifest


class Standing(enum.Enum):
    """How a session of the source stands to the target."""

    MISSING = "missing"  # from the target
    PRESENT = "present"  # in both, with the same manifest
    CHANGED = "changed"  # in both, with other details in the source
    ACTIVE = "active"  # not completed
    GONE = "gone"  # deleted meanwhile
    REFUSED = "refused"  # the manifest cannot be read, or is not that of the target


class Candidate(msgspec.Struct, frozen=True):
    """A session of the source. ``reason`` says why it is refused."""

    session_id: UUID
    standing: Standing
    user_id: str | None = None
    size_bytes: int = 0
    reason: str = ""


async def compare(source: AnyArchive, target: AnyArchive, session_id: UUID) -> Candidate:
    """Return how a session stands. Never raises `StorageError`: one session harms no other."""
    try:
        manifest = await source.manifest(session_id)
    except RecordingNotFoundError:
        return Candidate(session_id, Standing.GONE)
    except StorageError as error:
        return Candidate(session_id, Standing.REFUSED, reason=str(error))
    found = Candidate(session_id, Standing.MISSING, manifest.user_id, manifest.size_bytes)
    if manifest.status != "completed":
        return msgspec.structs.replace(found, standing=Standing.ACTIVE)
    try:
        other = await target.manifest(session_id)
    except RecordingNotFoundError:
        return found
    except StorageError as error:
        return _refused(found, f"in the target: {error}")
    if not _is_same(manifest, other):
        return _refused(found, "the target has another manifest for this session")
    is_current = manifest.details == other.details
    standing = Standing.PRESENT if is_current else Standing.CHANGED
    return msgspec.structs.replace(found, standing=standing)


async def copy(
    source: AnyArchive,
    target: AnyArchive,
    session_id: UUID,
    on_copied: Callable[[int], None] = lambda _: None,
) -> Manifest:
    """Copy a completed session; return the manifest of the copy.

    The SHA-256 of its PCM must be that of the manifest, if that has one, and that of the copy,
    which is read back. ``on_copied`` is called with the number of bytes of each block.
    Raises `StorageError`; then the target does not have the session.
    """
    manifest = await source.manifest(session_id)
    audio = await source.audio(manifest)
    digest = hashlib.sha256()

    async def whole_file() -> AsyncIterator[bytes]:
        # A header that fits the manifest: the sizes in the file are those of its last flush.
        yield wav.header(manifest.pcm_format, manifest.pcm_bytes)
        on_copied(wav.HEADER_BYTES)
        async for block in _pcm(audio):
            digest.update(block)
            on_copied(len(block))
            yield block

    written = await target.put_audio(manifest, whole_file())
    try:
        sha256 = digest.hexdigest()
        await _verify(manifest, sha256, written)
        manifest = msgspec.structs.replace(manifest, sha256=sha256, etag=written.etag)
        await target.add(manifest, written, await source.derived(manifest))
    except BaseException:
        with contextlib.suppress(StorageError):
            await target.discard(manifest, written)
        raise
    return manifest


async def _verify(manifest: Manifest, sha256: str, written: StoredAudio) -> None:
    """Raise `StorageError` unless source, manifest and copy have the same PCM."""
    if manifest.sha256 not in {None, sha256}:
        raise BadObjectError(
            f"{manifest.session_id}: the audio has not the SHA-256 of its manifest"
        )
    if written.size_bytes != manifest.size_bytes or await _sha256(written) != sha256:
        raise StorageUnavailableError(f"{manifest.session_id}: the copy differs from its source")


async def copy_details(source: AnyArchive, target: AnyArchive, session_id: UUID) -> None:
    """Give a session of the target the details that it has in the source."""
    manifest = await source.manifest(session_id)
    changes = DetailChanges(**msgspec.structs.asdict(manifest.details))
    await target.change(await target.manifest(session_id), changes)


def _refused(candidate: Candidate, reason: str) -> Candidate:
    return msgspec.structs.replace(candidate, standing=Standing.REFUSED, reason=reason)


def _is_same(one: Manifest, other: Manifest) -> bool:
    """Return whether both are of the same recording. Each store has its own ETags and sums."""
    if one.sha256 is not None and other.sha256 is not None and one.sha256 != other.sha256:
        return False
    return _recording_of(one) == _recording_of(other)


def _recording_of(manifest: Manifest) -> Manifest:
    """Return the manifest without sums, and without details, which clients change."""
    return msgspec.structs.replace(
        manifest.with_details(Details()), etag=None, sha256=None, version=VERSION
    )


def _pcm(audio: StoredAudio) -> AsyncIterator[bytes]:
    return audio.read(wav.HEADER_BYTES, audio.size_bytes)


async def _sha256(audio: StoredAudio) -> str:
    digest = hashlib.sha256()
    async for block in _pcm(audio):
        digest.update(block)
    return digest.hexdigest()
