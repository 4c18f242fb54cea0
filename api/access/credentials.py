"""The credential of a request: an API key or a token, in a header, a subprotocol or the URL.

HTTP and WebSocket clients send ``Authorization: Bearer …`` or ``X-API-Key``, or Basic with the key
as password, whatever the user name. Browsers cannot set headers on a WebSocket: they offer the
subprotocols ``bearer`` and the token, or put a session token into the query parameter ``token``.
Telephone platforms put an ingest token there, or into the path. No other credential is accepted in
a URL.
"""

import base64
from typing import Protocol
from urllib.parse import parse_qs

from litestar.datastructures import Headers
from litestar.enums import ScopeType
from litestar.types import Scope

from api.access.call_signatures import CallSignatures
from api.access.identity import INGEST_ONLY, OPEN_ACCESS, Identity
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

    def __init__(
        self,
        provider: Provider | None,
        tokens: SessionTokens,
        clock: Clock,
        signatures: CallSignatures | None = None,
    ) -> None:
        self._signatures = signatures
        self._provider = provider
        self._tokens = tokens
        self._clock = clock

    async def identify(self, scope: Scope) -> Identity:
        """Return the identity of the caller.

        Raises :class:`AuthenticationRequiredError` without a credential, and what the session
        tokens, the provider or the signatures raise for a bad one.
        """
        signed = None if self._signatures is None else self._signatures.identify(scope)
        if self._provider is None:
            return OPEN_ACCESS
        credential, is_in_url = _credential(scope)
        if not credential and signed is not None:
            return signed
        return await self._identify(credential, is_in_url=is_in_url)

    def check_dialect(self, scope: Scope, dialect: str) -> None:
        """Raise as `CallSignatures.check_dialect` does."""
        if self._signatures is not None:
            self._signatures.check_dialect(scope, dialect)

    async def identify_token(self, token: str) -> Identity:
        """Return the identity of a ``token`` in a message. Raises as :meth:`identify` does."""
        if self._provider is None:
            return OPEN_ACCESS
        return await self._identify(token, is_in_url=True)

    async def _identify(self, credential: str, *, is_in_url: bool) -> Identity:
        assert self._provider is not None
        if not credential:
            raise AuthenticationRequiredError
        if len(credential) > _MAX_CREDENTIAL_CHARACTERS:
            raise InvalidCredentialsError
        identity = self._tokens.identify(credential, self._clock.now())
        if identity is not None:
            return identity
        identity = await self._provider.identify(credential)
        if is_in_url and identity.scopes != INGEST_ONLY:
            # Logs, browser histories and Referer headers store URLs.
            raise InvalidCredentialsError
        return identity


def _credential(scope: Scope) -> tuple[str, bool]:
    """Return the credential, "" if there is none, and whether it is in the URL."""
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
    if token := scope["path_params"].get("token"):
        return str(token), True
    query = parse_qs(scope["query_string"].decode("latin-1"))
    if token := query.get("token", [""])[0]:
        return token, True
    # Last, because browsers send the password of a proxy in front with every request.
    return (_password(value.strip()) if kind.lower() == "basic" else ""), False


def _password(encoded: str) -> str:
    """Return the password of RFC 7617. Raises :class:`InvalidCredentialsError`."""
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except ValueError as error:
        raise InvalidCredentialsError from error
    return text.partition(":")[2]
