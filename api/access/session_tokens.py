"""Session tokens: created by this service, valid for one session until they expire.

A backend requests a token and passes it to a browser, so that the browser needs no API key. The
tokens are JSON Web Tokens with their own ``typ`` (RFC 8725, section 3.11), signed with HS256.
"""

import contextlib
from datetime import datetime, timedelta
from typing import Any, Literal

import jwt
import msgspec

from api.access.identity import Identity, Scope
from api.access.signing import SigningKeys
from api.access.web_tokens import claims_of, expiry_of, header_of
from api.wire.errors import CredentialsExpiredError, InvalidCredentialsError, NotAllowedError

TokenScope = Literal["record", "read"]

_TYPE = "session+jwt"
_ALGORITHM = "HS256"

_ORDER: tuple[TokenScope, ...] = ("record", "read")  # a token has its scope and those after it


class SessionToken(msgspec.Struct, frozen=True):
    token: str
    expires_at: datetime


class SessionTokens:
    """Creates and checks session tokens."""

    def __init__(self, keys: SigningKeys, *, ttl_seconds: int) -> None:
        self._keys = keys
        self._ttl = timedelta(seconds=ttl_seconds)

    def make(
        self, session_id: str, user: str | None, scope: TokenScope, maker: Identity, now: datetime
    ) -> SessionToken:
        """Return a token for the session that expires ``ttl_seconds`` after ``now``.

        It has no scope that ``maker`` does not have. A token to record may read too, because a page
        that records also plays the recording. Raises :class:`NotAllowedError` if ``maker`` does not
        have ``scope``.
        """
        if not maker.has_scope(scope):
            raise NotAllowedError(f"creating a {scope} token requires a key with that scope")
        scopes = [each for each in _ORDER[_ORDER.index(scope) :] if maker.has_scope(each)]
        expires_at = (now + self._ttl).replace(microsecond=0)
        claims = {
            "sid": session_id,
            "sub": user or "",
            "scope": " ".join(scopes),
            "exp": expires_at,
        }
        token = jwt.encode(
            claims, self._keys.for_purpose(_TYPE)[0], _ALGORITHM, headers={"typ": _TYPE}
        )
        return SessionToken(token, expires_at)

    def identify(self, credential: str, now: datetime) -> Identity | None:
        """Return the identity of a session token; None if ``credential`` is something else.

        Raises :class:`InvalidCredentialsError` or :class:`CredentialsExpiredError`.
        """
        try:
            if header_of(credential).get("typ") != _TYPE:
                return None
        except InvalidCredentialsError:
            return None
        claims = self._claims(credential)
        expires_at = expiry_of(claims)
        if expires_at <= now:
            raise CredentialsExpiredError
        scopes = frozenset[Scope](claims["scope"].split())
        return Identity(claims["sub"] or None, scopes, claims["sid"], expires_at)

    def _claims(self, credential: str) -> dict[str, Any]:
        for key in self._keys.for_purpose(_TYPE):
            with contextlib.suppress(InvalidCredentialsError):
                # `identify` checks the expiry, with the service's own clock.
                return claims_of(credential, key, _ALGORITHM, options={"verify_exp": False})
        raise InvalidCredentialsError
