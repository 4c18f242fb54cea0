"""Session tokens: created by this service, valid for one session until they expire.

A backend requests a token and passes it to a browser, so that the browser needs no API key. The
tokens are JSON Web Tokens with their own ``typ`` (RFC 8725, section 3.11), signed with HS256.
"""

from datetime import datetime, timedelta
from typing import Any, Literal

import jwt
import msgspec

from api.access.identity import Identity, Scope
from api.access.signing import SigningKeys
from api.wire.errors import CredentialsExpiredError, InvalidCredentialsError

TokenScope = Literal["record", "read"]

_TYPE = "session+jwt"
_ALGORITHM = "HS256"

# A page that records also plays the recording.
_GRANTED: dict[str, frozenset[Scope]] = {
    "record": frozenset({"record", "read"}),
    "read": frozenset({"read"}),
}


class SessionToken(msgspec.Struct, frozen=True):
    token: str
    expires_at: datetime


class SessionTokens:
    """Creates and checks session tokens."""

    def __init__(self, keys: SigningKeys, *, ttl_seconds: int) -> None:
        self._keys = keys
        self._ttl = timedelta(seconds=ttl_seconds)

    def make(
        self, session_id: str, user: str | None, scope: TokenScope, now: datetime
    ) -> SessionToken:
        """Return a token for the session that expires ``ttl_seconds`` after ``now``."""
        expires_at = (now + self._ttl).replace(microsecond=0)
        claims = {"sid": session_id, "sub": user or "", "scope": scope, "exp": expires_at}
        token = jwt.encode(
            claims, self._keys.for_purpose(_TYPE)[0], _ALGORITHM, headers={"typ": _TYPE}
        )
        return SessionToken(token, expires_at)

    def identify(self, credential: str, now: datetime) -> Identity | None:
        """Return the identity of a session token; None if ``credential`` is something else.

        Raises :class:`InvalidCredentialsError` or :class:`CredentialsExpiredError`.
        """
        try:
            if jwt.get_unverified_header(credential).get("typ") != _TYPE:
                return None
        except jwt.PyJWTError:
            return None
        claims = self._claims(credential)
        if claims["exp"] <= now.timestamp():
            raise CredentialsExpiredError
        return Identity(claims["sub"] or None, _GRANTED[claims["scope"]], claims["sid"])

    def _claims(self, credential: str) -> dict[str, Any]:
        for key in self._keys.for_purpose(_TYPE):
            try:
                # `identify` checks the expiry, with the service's own clock.
                return jwt.decode(
                    credential, key, algorithms=[_ALGORITHM], options={"verify_exp": False}
                )
            except jwt.PyJWTError:
                continue
        raise InvalidCredentialsError
