"""JSON Web Key Sets (RFC 7517): the public keys of an identity provider, from a file or a URL."""

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import jwt

from api.access.watched_file import WatchedFile
from api.clock import Clock
from api.wire.errors import AuthenticationUnavailableError, InvalidCredentialsError

logger = logging.getLogger(__name__)

ALGORITHMS = ("RS256", "ES256")

_MAX_AGE_SECONDS = 300.0
# A limit on fetches: a client may send any number of tokens that name unknown keys.
_MIN_FETCH_INTERVAL_SECONDS = 10.0
_FETCH_SECONDS = 5.0
_MAX_KEY_SET_BYTES = 1024 * 1024


class KeySet:
    """The keys that can check a signature, by key id and algorithm."""

    def __init__(self, content: bytes = b'{"keys": []}') -> None:
        """Parse a key set; leave out keys for other algorithms. Raises ``ValueError``."""
        try:
            self._keys = dict(_usable(json.loads(content)["keys"]))
        except (KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"not a JSON Web Key Set: {error}") from error

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, header: dict[str, Any]) -> Any:
        """Return the key that a token's ``header`` names; None if there is none."""
        key_id, algorithm = header.get("kid"), header["alg"]
        if key_id is None and len(self._keys) == 1:
            ((key_id, _),) = self._keys
        return self._keys.get((key_id, algorithm))


class KeyFile:
    """A key set in a file. A change takes effect at once."""

    def __init__(self, path: Path) -> None:
        self._file = WatchedFile(path)
        self._keys = KeySet()

    async def find(self, header: dict[str, Any]) -> Any:
        """Return the key that the token ``header`` names.

        Raises :class:`InvalidCredentialsError`, and :class:`AuthenticationUnavailableError` if
        there are no keys.
        """
        try:
            if (content := self._file.changed()) is not None:
                self._keys = KeySet(content)
        except FileNotFoundError:
            self._file.forget()
            self._keys = KeySet()
            logger.warning("The JWKS is missing, its keys are refused: source=%s", self._file.path)
        except (OSError, ValueError) as error:
            _log_failure(str(self._file.path), error)
        return _found(self._keys, header)


class KeyUrl:
    """A key set that a provider serves. Known keys are used at once, whatever the provider does.

    The set is fetched again after `_MAX_AGE_SECONDS`, or when a token names an unknown key. Only
    such a token waits for the answer, and so does every token after twice that age.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._keys = KeySet()
        self._fetched_at = self._tried_at = float("-inf")
        self._has_failed = False
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, header: dict[str, Any]) -> Any:
        """Return the key that the token ``header`` names.

        Raises :class:`InvalidCredentialsError`, and :class:`AuthenticationUnavailableError` if
        no keys could be read so far.
        """
        is_unknown = self._keys.find(header) is None
        age_seconds = self._clock.monotonic() - self._fetched_at
        if is_unknown or age_seconds > _MAX_AGE_SECONDS:
            self._start_fetch()
        is_outdated = age_seconds > 2 * _MAX_AGE_SECONDS and not self._has_failed
        if self._fetching is not None and (is_unknown or is_outdated):
            await asyncio.wait([self._fetching])
        return _found(self._keys, header)

    def _start_fetch(self) -> None:
        now = self._clock.monotonic()
        if self._fetching is None and now - self._tried_at >= _MIN_FETCH_INTERVAL_SECONDS:
            self._tried_at = now
            self._fetching = asyncio.create_task(self._fetch(), name="fetch-jwks")

    async def _fetch(self) -> None:
        try:
            self._keys = KeySet(await self._content())
            self._fetched_at, self._has_failed = self._tried_at, False
        except (OSError, TimeoutError, ValueError, aiohttp.ClientError) as error:
            self._has_failed = True
            _log_failure(self._url, error)
        finally:
            self._fetching = None

    async def _content(self) -> bytes:
        timeout = aiohttp.ClientTimeout(total=_FETCH_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=True) as client,
            client.get(self._url, allow_redirects=False) as answer,
        ):
            answer.raise_for_status()
            content = bytearray()
            async for block in answer.content.iter_any():
                content += block
                if len(content) > _MAX_KEY_SET_BYTES:
                    raise ValueError(f"more than {_MAX_KEY_SET_BYTES} bytes")
            return bytes(content)


def _found(keys: KeySet, header: dict[str, Any]) -> Any:
    if not len(keys):
        raise AuthenticationUnavailableError
    if (key := keys.find(header)) is None:
        raise InvalidCredentialsError
    return key


def _log_failure(source: str, error: Exception) -> None:
    logger.warning(
        "Failed to read the JWKS, the old keys stay valid: source=%s error=%s", source, error
    )


def _usable(listed: list[dict[str, Any]]) -> Iterator[tuple[tuple[str | None, str], Any]]:
    """Yield the key id and algorithm of each key that checks signatures, and the public key.

    Keys of other kinds and damaged keys do not count; they do not harm the others.
    """
    for each in listed:
        try:
            parsed = jwt.PyJWK.from_dict(each)
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
            continue
        key_id, key = parsed.key_id, parsed.key
        is_for_signatures = parsed.public_key_use in {None, "sig"}
        if parsed.algorithm_name in ALGORITHMS and is_for_signatures and _is_key_id(key_id):
            # A key set should hold public keys only. A private key also has the public one.
            public = key.public_key() if hasattr(key, "public_key") else key
            yield (key_id, parsed.algorithm_name), public


def _is_key_id(key_id: Any) -> bool:
    return key_id is None or isinstance(key_id, str)
