"""What a caller shows: a key or a token, wherever it can be put.

HTTP clients send ``Authorization: Bearer …`` or ``X-API-Key``; WebSocket clients do, too.
Browsers cannot set headers on a WebSocket: they name the subprotocols ``bearer`` and the token,
or put a session's token, and nothing else, into the query.
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

_LONGEST_CREDENTIAL = 8192


class Provider(Protocol):
    async def identify(self, credential: str) -> Identity:
        """Raises one of `api.wire.errors`."""
        ...


class Authenticator:
    """Finds out who calls. Without a ``provider`` everybody may do everything."""

    def __init__(self, provider: Provider | None, tokens: SessionTokens, clock: Clock) -> None:
        self._provider = provider
        self._tokens = tokens
        self._clock = clock

    async def identify(self, scope: Scope) -> Identity:
        """Raises :class:`AuthenticationRequiredError` or what is wrong with the credentials."""
        if self._provider is None:
            return OPEN_ACCESS
        credential, is_in_query = _credential(scope)
        if not credential:
            raise AuthenticationRequiredError
        if len(credential) > _LONGEST_CREDENTIAL:
            raise InvalidCredentialsError
        identity = self._tokens.identify(credential, self._clock.now())
        if identity is not None:
            return identity
        if is_in_query:  # addresses are logged, kept in histories, and passed on
            raise InvalidCredentialsError
        return await self._provider.identify(credential)


def _credential(scope: Scope) -> tuple[str, bool]:
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
