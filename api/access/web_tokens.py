"""JSON Web Tokens (RFC 7519) that callers show: whatever is wrong with one, it is not valid."""

from datetime import UTC, datetime
from typing import Any

import jwt

from api.wire.errors import CredentialsExpiredError, InvalidCredentialsError

# PyJWT has errors of its own. The others come from the text of a token: nested JSON, numbers
# beyond all dates, and a signature or a claim of another type.
_MALFORMED = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)


def header_of(token: str) -> dict[str, Any]:
    """Return the header, which nothing protects. Raises :class:`InvalidCredentialsError`."""
    try:
        return jwt.get_unverified_header(token)
    except _MALFORMED as error:
        raise InvalidCredentialsError from error


def claims_of(token: str, key: Any, algorithm: str, **checks: Any) -> dict[str, Any]:
    """Return the claims of a token that ``key`` has signed.

    ``checks`` are arguments of ``jwt.decode``. Raises :class:`InvalidCredentialsError` or
    :class:`CredentialsExpiredError`.
    """
    try:
        return jwt.decode(token, key, algorithms=[algorithm], **checks)
    except jwt.ExpiredSignatureError as error:
        raise CredentialsExpiredError from error
    except _MALFORMED as error:
        raise InvalidCredentialsError from error


def expiry_of(claims: dict[str, Any]) -> datetime:
    """Return the time in the claim ``exp``. Raises :class:`InvalidCredentialsError`."""
    try:
        return datetime.fromtimestamp(int(claims["exp"]), UTC)
    except (ValueError, TypeError, OverflowError, OSError) as error:
        raise InvalidCredentialsError from error
