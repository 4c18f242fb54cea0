"""The claim of a session: a create-once key that a hold and a deletion contend for.

``{id}.claim`` holds `held` or `deleting`. A deletion creates it before it removes anything and
removes it last; a hold creates it before the details say so. So of a hold and a deletion that
different nodes begin at the same time one wins, and the other one changes nothing.
"""

from storage.errors import RecordingNotFoundError, SessionHeldError
from storage.s3.client.bucket import Bucket, KeyExistsError
from storage.s3.keys import SessionKeys

_HELD = b"held"
_DELETING = b"deleting"


async def hold(bucket: Bucket, session: SessionKeys) -> None:
    """Let nothing delete the session. Raises `RecordingNotFoundError` if its deletion has begun."""
    if await _claim(bucket, session, _HELD) != _HELD:
        raise RecordingNotFoundError(f"{session.session_id}: its deletion has begun")


async def lift(bucket: Bucket, session: SessionKeys) -> None:
    """Allow deletions again; do nothing if there is no hold."""
    if await is_held(bucket, session):
        await bucket.delete([session.claim])


async def is_held(bucket: Bucket, session: SessionKeys) -> bool:
    try:
        return await bucket.get(session.claim) == _HELD
    except RecordingNotFoundError:
        return False


async def begin_deletion(bucket: Bucket, session: SessionKeys) -> None:
    """Let no hold begin. The call can be repeated. Raises `SessionHeldError`."""
    if await _claim(bucket, session, _DELETING) == _HELD:
        raise SessionHeldError(str(session.session_id))


async def _claim(bucket: Bucket, session: SessionKeys, content: bytes) -> bytes:
    """Create the claim unless it exists; return what it holds."""
    while True:
        try:
            await bucket.create(session.claim, content)
        except KeyExistsError:
            try:
                return await bucket.get(session.claim)
            except RecordingNotFoundError:
                continue  # it was removed meanwhile
        return content
