"""Tokens of an identity provider: JSON Web Tokens (RFC 7519, RFC 8725).

The claim ``sub`` is the user. The claim ``scope`` (RFC 8693, section 4.2) lists the scopes
``record``, ``read`` and ``admin``; a token without it has ``record`` and ``read``.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import aiohttp
import jwt

from api.access.identity import SCOPES, Identity, Scope
from api.clock import Clock
from api.wire.errors import (
    AuthenticationUnavailableError,
    CredentialsExpiredError,
    InvalidCredentialsError,
)

logger = logging.getLogger(__name__)

_DEFAULT_SCOPES: frozenset[Scope] = frozenset({"record", "read"})
_LEEWAY_SECONDS = 10
_MAX_AGE_SECONDS = 300.0
# A limit on fetches: a client may send any number of tokens that name unknown keys.
_MIN_FETCH_INTERVAL_SECONDS = 10.0
_FETCH_SECONDS = 5.0
_MAX_KEY_SET_BYTES = 1024 * 1024

FindKey = Callable[[dict[str, Any]], Awaitable[Any]]


class BearerTokens:
    """Checks the signature, expiry, issuer and audience of tokens."""

    def __init__(
        self, find_key: FindKey, algorithms: list[str], *, issuer: str, audience: str
    ) -> None:
        self._find_key = find_key
        self._algorithms = algorithms
        self._issuer = issuer
        self._audience = audience

    async def identify(self, credential: str) -> Identity:
        """Return the identity that the token states.

        Raises :class:`InvalidCredentialsError`, :class:`CredentialsExpiredError`, and
        :class:`AuthenticationUnavailableError` if the provider's keys cannot be read.
        """
        try:
            header = jwt.get_unverified_header(credential)
            if header.get("alg") not in self._algorithms:
                raise InvalidCredentialsError
            claims = jwt.decode(
                credential,
                await self._find_key(header),
                algorithms=self._algorithms,
                issuer=self._issuer,
                audience=self._audience,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "sub"]},
            )
        except jwt.ExpiredSignatureError as error:
            raise CredentialsExpiredError from error
        except jwt.PyJWTError as error:
            raise InvalidCredentialsError from error
        return Identity(_user(claims), _scopes(claims))


def shared_secret(secret: str) -> FindKey:
    """Return a function that finds ``secret`` for every token header."""

    async def find(_: dict[str, Any]) -> str:
        return secret

    return find


class KeySet:
    """A JSON Web Key Set (RFC 7517) from a file or a URL.

    It is read again after `_MAX_AGE_SECONDS`, or when a token names an unknown key.
    """

    def __init__(self, source: str, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._keys: dict[str | None, Any] = {}
        self._read_at = self._tried_at = float("-inf")
        self._reading = asyncio.Lock()

    async def find(self, header: dict[str, Any]) -> Any:
        """Return the key that the token ``header`` names.

        Raises :class:`InvalidCredentialsError`, and :class:`AuthenticationUnavailableError` if
        no keys could be read so far.
        """
        key_id = header.get("kid")
        async with self._reading:
            await self._read(is_key_missing=key_id not in self._keys)
        if not self._keys:
            raise AuthenticationUnavailableError
        if key_id is None and len(self._keys) == 1:
            (key,) = self._keys.values()
            return key
        if key_id not in self._keys:
            raise InvalidCredentialsError
        return self._keys[key_id]

    async def _read(self, *, is_key_missing: bool) -> None:
        now = self._clock.monotonic()
        is_old = now - self._read_at > _MAX_AGE_SECONDS
        if not (is_old or is_key_missing) or now - self._tried_at < _MIN_FETCH_INTERVAL_SECONDS:
            return
        self._tried_at = now
        try:
            key_set = jwt.PyJWKSet.from_dict(json.loads(await self._content()))
        except (OSError, TimeoutError, ValueError, aiohttp.ClientError, jwt.PyJWTError) as error:
            logger.warning(
                "Failed to read the JWKS, the old keys stay valid: source=%s error=%s",
                self._source,
                error,
            )
            return
        self._keys = {key.key_id: key.key for key in key_set.keys}
        self._read_at = now

    async def _content(self) -> bytes:
        if not self._source.startswith(("https://", "http://")):
            return await asyncio.to_thread(Path(self._source).read_bytes)
        timeout = aiohttp.ClientTimeout(total=_FETCH_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=True) as client,
            client.get(self._source, allow_redirects=False) as answer,
        ):
            answer.raise_for_status()
            return await answer.content.read(_MAX_KEY_SET_BYTES)


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
