"""Which callers decide how long a session is kept: its hold and its ``expires_at``.

Both are for callers that may delete the session, so not for a token of the session. A hold is
lifted by an admin only: it protects the recording from its owner, too.
"""

from datetime import datetime

import msgspec
from msgspec import UNSET

from api.access.identity import Identity
from api.wire.errors import InvalidParameterError, NotAllowedError
from storage.details import DetailChanges, Details

NEW = Details()


def checked_changes(
    changes: DetailChanges, current: Details, identity: Identity, now: datetime
) -> DetailChanges:
    """Return the changes that the caller may make. Values that are set already are no changes.

    Raises :class:`NotAllowedError`, and :class:`InvalidParameterError` for a time that has passed.
    """
    if changes.expires_at == current.expires_at:
        changes = msgspec.structs.replace(changes, expires_at=UNSET)
    # An admin may repeat a value: a process that was killed has perhaps done half of it.
    if changes.hold is current.hold and not identity.is_admin:
        changes = msgspec.structs.replace(changes, hold=UNSET)
    if changes.hold is UNSET and changes.expires_at is UNSET:
        return changes
    if identity.session_id is not None:
        raise NotAllowedError("a session token changes neither hold nor expires_at")
    if changes.hold is False and not identity.is_admin:
        raise NotAllowedError("only an admin lifts a hold")
    if isinstance(changes.expires_at, datetime) and changes.expires_at <= now:
        raise InvalidParameterError("expires_at")
    return changes
