"""API keys: random, known to the service by their SHA-256 alone.

A line of the list is ``<sha256 in hex> <user> <scope>[,<scope>…]``; ``#`` begins a comment. The
keys have 256 random bits, so a plain hash is enough: there is nothing to guess from.
"""

import hashlib
import logging
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import cast

from api.access.identity import SCOPES, Identity, Scope
from api.wire.errors import InvalidCredentialsError

logger = logging.getLogger(__name__)

_PREFIX = "scribe_"
_HASH_CHARACTERS = 64


class ApiKeysError(Exception):
    """A list of keys is not what it should be."""


def new_key() -> str:
    return _PREFIX + secrets.token_urlsafe(32)


def key_line(key: str, user: str, scopes: Iterable[Scope]) -> str:
    """What the service's list says of ``key``. Raises :class:`ApiKeysError`."""
    line = f"{_hash(key)} {user} {','.join(scopes)}"
    if [identity.user for _, identity in _parse(line.split(";"))] != [user]:
        raise ApiKeysError(f"{user!r} cannot stand in a list")
    return line


class ApiKeys:
    """Keys from the settings and from a file, which is read again when it changes."""

    def __init__(self, listed: str, file: str) -> None:
        """Raises :class:`ApiKeysError`."""
        self._listed = dict(_parse(listed.split(";")))
        self._path = Path(file) if file else None
        self._read_at: tuple[int, int] = (0, 0)
        self._from_file: dict[str, Identity] = {}
        if self._path is not None:
            self._from_file = self._read(self._path)

    async def identify(self, credential: str) -> Identity:
        """Raises :class:`InvalidCredentialsError`."""
        if self._path is not None:
            self._read_again(self._path)
        hashed = _hash(credential)
        identity = self._listed.get(hashed) or self._from_file.get(hashed)
        if identity is None:
            raise InvalidCredentialsError
        return identity

    def _read_again(self, path: Path) -> None:
        try:
            if _version(path) != self._read_at:
                self._from_file = self._read(path)
                logger.info("%s: %d keys", path, len(self._from_file))
        except (OSError, ApiKeysError) as error:
            # A file that is half written is no reason to lock everybody out.
            logger.warning("%s: the keys stay as they are: %s", path, error)

    def _read(self, path: Path) -> dict[str, Identity]:
        try:
            version = _version(path)
            keys = dict(_parse(path.read_text().splitlines()))
        except (OSError, UnicodeDecodeError) as error:
            raise ApiKeysError(f"{path}: {error}") from error
        self._read_at = version
        return keys


def _version(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_ino


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _parse(lines: Iterable[str]) -> Iterable[tuple[str, Identity]]:
    for number, line in enumerate(lines, start=1):
        stripped = line.partition("#")[0].strip()
        if stripped:
            try:
                yield _parse_line(stripped)
            except ApiKeysError as error:
                raise ApiKeysError(f"key {number}: {error}") from None


def _parse_line(line: str) -> tuple[str, Identity]:
    parts = line.split()
    if len(parts) != 3:
        raise ApiKeysError("expected <sha256> <user> <scope>[,<scope>…]")
    hashed, user, scopes = parts
    if len(hashed) != _HASH_CHARACTERS or set(hashed) - set("0123456789abcdef"):
        raise ApiKeysError("the hash is not a SHA-256 in lower case hex")
    if unknown := set(scopes.split(",")) - set(SCOPES):
        raise ApiKeysError(f"no such scope: {', '.join(sorted(unknown))}")
    return hashed, Identity(user, frozenset(cast("list[Scope]", scopes.split(","))))
