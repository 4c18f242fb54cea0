"""Tokens of an identity provider: JSON Web Tokens (RFC 7519, RFC 8725).

The claim ``sub`` is the user. The claim ``scope`` (RFC 8693, section 4.2) lists the scopes
``record``, ``read`` and ``admin``; a token without it has ``record`` and ``read``.
"""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from api.access.identity import SCOPES, Identity, Scope
from api.access.web_tokens import claims_of, expiry_of, header_of
from api.wire.errors import InvalidCredentialsError

_DEFAULT_SCOPES: frozenset[Scope] = frozenset({"record", "read"})
_LEEWAY_SECONDS = 10

# Returns the key for a token's header, which is of the type that its algorithm needs.
FindKey = Callable[[dict[str, Any]], Awaitable[Any]]


class BearerTokens:
    """Checks the signature, expiry, issuer and audience of tokens."""

    def __init__(
        self, find_key: FindKey, algorithms: tuple[str, ...], *, issuer: str, audience: str
    ) -> None:
        self._find_key = find_key
        self._algorithms = algorithms
        self._issuer = issuer
        self._audience = audience

    async def identify(self, credential: str) -> Identity:
        """Return the identity that the token states.

        Raises :class:`InvalidCredentialsError`, :class:`CredentialsExpiredError`, and
        `AuthenticationUnavailableError` if the provider's keys cannot be read.
        """
        header = header_of(credential)
        if header.get("alg") not in self._algorithms:
            raise InvalidCredentialsError
        claims = claims_of(
            credential,
            await self._find_key(header),
            header["alg"],
            issuer=self._issuer,
            audience=self._audience,
            leeway=_LEEWAY_SECONDS,
            options={"require": ["exp", "sub"]},
        )
        return Identity(_user(claims), _scopes(claims), expires_at=expiry_of(claims))


def shared_secret(secret: str) -> FindKey:
    """Return a function that finds ``secret`` for every token header."""

    async def find(_: dict[str, Any]) -> str:
        return secret

    return find


def _user(claims: dict[str, Any]) -> str:
    user = claims["sub"]
    if not isinstance(user, str) or not user or not user.isprintable():
        raise InvalidCredentialsError
    return user


def _scopes(claims: dict[str, Any]) -> frozenset[Scope]:
    if "scope" not in claims:
        return _DEFAULT_SCOPES
    named = str(claims["scope"]).split()
    return frozenset(cast("list[Scope]", [scope for scope in named if scope in SCOPES]))
