"""The credential of a request: an API key or a token, in a header, a subprotocol or the query.

HTTP and WebSocket clients send ``Authorization: Bearer …`` or ``X-API-Key``. Browsers cannot set
headers on a WebSocket: they offer the subprotocols ``bearer`` and the token, or put a session
token into the query parameter ``token``. No other credential is accepted in the query.
"""

from typing import Protocol
from urllib.parse import parse_qs

from litestar.datastructures import Headers
from litestar.enums import ScopeType
from litestar.types import Scope

from api.access.identity import OPEN_ACCESS, Identity
from api.access.session_tokens import SessionTokens
from api.clock import Clock
from api.wire.errors import AuthenticationRequiredError, InvalidCredentialsError

SUBPROTOCOL = "bearer"

_MAX_CREDENTIAL_CHARACTERS = 8192


class Provider(Protocol):
    """A source of identities: API keys or an identity provider."""

    async def identify(self, credential: str) -> Identity:
        """Return the identity for ``credential``. Raises one of `api.wire.errors`."""
        ...


class Authenticator:
    """Returns the identity of a caller. Without a ``provider`` every caller has all scopes."""

    def __init__(self, provider: Provider | None, tokens: SessionTokens, clock: Clock) -> None:
        self._provider = provider
        self._tokens = tokens
        self._clock = clock

    async def identify(self, scope: Scope) -> Identity:
        """Return the identity of the caller.

        Raises :class:`AuthenticationRequiredError` without a credential, and what the session
        tokens or the provider raise for a bad one.
        """
        if self._provider is None:
            return OPEN_ACCESS
        credential, is_in_query = _credential(scope)
        if not credential:
            raise AuthenticationRequiredError
        if len(credential) > _MAX_CREDENTIAL_CHARACTERS:
            raise InvalidCredentialsError
        identity = self._tokens.identify(credential, self._clock.now())
        if identity is not None:
            return identity
        if is_in_query:  # logs, browser histories and Referer headers store URLs
            raise InvalidCredentialsError
        return await self._provider.identify(credential)


def _credential(scope: Scope) -> tuple[str, bool]:
    """Return the credential, "" if there is none, and whether it is in the query."""
    headers = Headers.from_scope(scope)
    kind, _, value = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return value.strip(), False
    if key := headers.get("x-api-key"):
        return key.strip(), False
    if scope["type"] == ScopeType.WEBSOCKET:
        offered = scope["subprotocols"]
        if len(offered) == 2 and offered[0] == SUBPROTOCOL:
            return offered[1], False
    query = parse_qs(scope["query_string"].decode("latin-1"))
    return query.get("token", [""])[0], True
