"""Tokens that this service makes: each opens one session, for a while.

A backend asks for one and hands it to a browser, which then never holds a key. They are JSON Web
Tokens of a type of their own (RFC 8725, section 3.11), signed by the service's secret.
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

# Who records wants to hear it, too.
_GRANTED: dict[str, frozenset[Scope]] = {
    "record": frozenset({"record", "read"}),
    "read": frozenset({"read"}),
}


class SessionToken(msgspec.Struct, frozen=True):
    token: str
    expires_at: datetime


class SessionTokens:
    """Makes them and checks them."""

    def __init__(self, keys: SigningKeys, *, ttl_seconds: int) -> None:
        self._keys = keys
        self._ttl = timedelta(seconds=ttl_seconds)

    def make(
        self, session_id: str, user: str | None, scope: TokenScope, now: datetime
    ) -> SessionToken:
        expires_at = (now + self._ttl).replace(microsecond=0)
        claims = {"sid": session_id, "sub": user or "", "scope": scope, "exp": expires_at}
        token = jwt.encode(
            claims, self._keys.for_purpose(_TYPE)[0], _ALGORITHM, headers={"typ": _TYPE}
        )
        return SessionToken(token, expires_at)

    def identify(self, credential: str, now: datetime) -> Identity | None:
        """None if it is no session token.

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
                # The clock is not the library's: it is looked at by the caller.
                return jwt.decode(
                    credential, key, algorithms=[_ALGORITHM], options={"verify_exp": False}
                )
            except jwt.PyJWTError:
                continue
        raise InvalidCredentialsError
