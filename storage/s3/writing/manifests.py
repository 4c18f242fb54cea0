"""The manifest of a session in the bucket, and the details that clients change.

``{id}.meta.json`` is the one authority for details after the first change; without it, those in the
manifest count. It is replaced whole, and the last change wins. Only the writer of a session puts
the manifest of an active session, so a change puts its object alone. What puts the manifest of a
completed session reads the object before and after that, and puts again if it has changed: so
after all writers are done, manifest and object agree, whatever came first.
"""

from uuid import UUID

import msgspec

from storage import details as stored_details
from storage import manifest as manifests
from storage.details import DetailChanges, Details
from storage.errors import BadObjectError, RecordingNotFoundError
from storage.manifest import Manifest
from storage.s3 import holds
from storage.s3.client.bucket import Bucket
from storage.s3.keys import SessionKeys


async def read_manifest(bucket: Bucket, session_id: UUID) -> Manifest:
    """Read one manifest; its details may be older than the last change.

    Raises `RecordingNotFoundError` or `BadObjectError`.
    """
    return manifests.decode(await bucket.get(SessionKeys(session_id).manifest), session_id)


async def read_current_manifest(bucket: Bucket, session_id: UUID) -> Manifest:
    """Read one manifest with the details that count. Raises as `read_manifest` does."""
    manifest = await read_manifest(bucket, session_id)
    if is_settled(manifest):
        return manifest
    return _with(manifest, await _readable_details(bucket, SessionKeys(session_id)))


def is_settled(manifest: Manifest) -> bool:
    """Return whether only a change of details puts the manifest again."""
    return manifest.status == "completed" and manifest.sha256 is not None


async def put_completed_manifest(bucket: Bucket, manifest: Manifest) -> Manifest:
    """Put the manifest of a completed session with the details that count; return it."""
    session = SessionKeys.of(manifest)
    details = await _readable_details(bucket, session)
    while True:
        manifest = _with(manifest, details)
        await bucket.put(session.manifest, manifests.encode(manifest), "application/json")
        current = await _readable_details(bucket, session)
        if current == details:
            return manifest
        details = current


async def put_completed_manifest_of_existing(bucket: Bucket, manifest: Manifest) -> Manifest:
    """Do the same unless another node deletes the session: then remove what was put.

    Raises `RecordingNotFoundError`.
    """
    session = SessionKeys.of(manifest)
    manifest = await put_completed_manifest(bucket, manifest)
    try:
        await bucket.head(session.audio)
    except RecordingNotFoundError:  # a deletion removes the audio first
        await bucket.delete(
            [session.peaks, session.blocks, session.timeline, session.details, session.manifest]
        )
        raise
    return manifest


async def change_details(bucket: Bucket, manifest: Manifest, changes: DetailChanges) -> Manifest:
    """Change the details of a session; return its manifest with them.

    Raises `RecordingNotFoundError` if the session or the audio of a completed one is missing, or
    if its deletion has begun and it is to be held, and `BadObjectError` if the stored details
    cannot be read.
    """
    session = SessionKeys.of(manifest)
    if changes.hold is True:
        await holds.hold(bucket, session)
    elif changes.hold is False:
        await holds.lift(bucket, session)
    try:
        if manifest.status == "completed":
            await bucket.head(session.audio)
        return await _change(bucket, manifest, changes)
    except RecordingNotFoundError:
        if changes.hold is True:  # it was deleted before: remove what was put
            await holds.lift(bucket, session)
        raise


async def _change(bucket: Bucket, manifest: Manifest, changes: DetailChanges) -> Manifest:
    session = SessionKeys.of(manifest)
    stored = await _details(bucket, session)
    old = manifest.details if stored is None else stored
    details = await _put_details(bucket, session, changes.apply_to(old))
    entry = session.expiry(details.expires_at)
    try:
        # It may have been completed meanwhile, by a writer that had not seen the change.
        manifest = await read_manifest(bucket, session.session_id)
    except RecordingNotFoundError:
        await bucket.delete([session.details, *entry])
        raise
    if is_settled(manifest):
        manifest = await put_completed_manifest_of_existing(bucket, manifest)
    else:
        manifest = manifest.with_details(details)
    # Again: while the details did not have this time, a search may have removed the entry.
    await _put_entry(bucket, entry)
    if old.expires_at not in {None, manifest.expires_at}:
        await bucket.delete(session.expiry(old.expires_at))
    return manifest


async def _put_details(bucket: Bucket, session: SessionKeys, details: Details) -> Details:
    """Put the details, with the hold that the claim of the session says; return them."""
    await _put_entry(bucket, session.expiry(details.expires_at))
    while True:
        details = msgspec.structs.replace(details, hold=await holds.is_held(bucket, session))
        await bucket.put(session.details, stored_details.encode(details), "application/json")
        if await holds.is_held(bucket, session) == details.hold:
            return details


async def _put_entry(bucket: Bucket, entry: list[str]) -> None:
    """Put the index entry of a time of expiry, if there is one."""
    for key in entry:
        await bucket.put(key, b"")


def _with(manifest: Manifest, details: Details | None) -> Manifest:
    return manifest if details is None else manifest.with_details(details)


async def _details(bucket: Bucket, session: SessionKeys) -> Details | None:
    """Return the changed details; None if nothing was changed. Raises `BadObjectError`."""
    try:
        data = await bucket.get(session.details)
    except RecordingNotFoundError:
        return None
    return stored_details.decode(data, session.details)


async def _readable_details(bucket: Bucket, session: SessionKeys) -> Details | None:
    """Return the changed details; None also if they cannot be read: they stop no recording."""
    try:
        return await _details(bucket, session)
    except BadObjectError as error:
        bucket.skipped.report(session.details, error)
        return None
