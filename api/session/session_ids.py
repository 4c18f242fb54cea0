"""Ids of sessions, as clients spell them."""

from uuid import UUID

from api.wire.errors import SessionNotFoundError


def parse_session_id(session_id: str) -> UUID:
    """Return the UUID. Raises :class:`SessionNotFoundError` unless it is in canonical form."""
    if not is_session_id(session_id):
        raise SessionNotFoundError(session_id)
    return UUID(session_id)


def canonical_id(text: str) -> str:
    """Return a session id in lower case; return other text as it is."""
    return text.lower() if is_session_id(text) else text


def is_session_id(text: str) -> bool:
    """Return whether ``text`` is a UUID in canonical form, in upper or lower case."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False
