"""API keys. The service knows only the SHA-256 of each key.

A line of the list is ``<sha256 in hex> <user> <scope>[,<scope>…]``; ``#`` starts a comment. A key
has 256 random bits, so a fast hash without salt is enough: no dictionary contains the key.
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
    """A list of API keys cannot be read, or one of its lines is not valid."""


def new_key() -> str:
    """Return a new random API key."""
    return _PREFIX + secrets.token_urlsafe(32)


def key_line(key: str, user: str, scopes: Iterable[Scope]) -> str:
    """Return the line for ``key`` in the list. Raises :class:`ApiKeysError` for a bad ``user``."""
    line = f"{_hash(key)} {user} {','.join(scopes)}"
    if [identity.user for _, identity in _parse(line.split(";"))] != [user]:
        raise ApiKeysError(f"user {user!r} is not valid: use no spaces, ';' or '#'")
    return line


class ApiKeys:
    """API keys from the settings and from a file; the file is reloaded when it changes."""

    def __init__(self, listed: str, file: str) -> None:
        """Parse ``listed`` (lines separated by semicolons) and read ``file``, if it is not empty.

        Raises :class:`ApiKeysError`.
        """
        self._listed = dict(_parse(listed.split(";")))
        self._path = Path(file) if file else None
        self._read_at: tuple[int, int] = (0, 0)
        self._from_file: dict[str, Identity] = {}
        if self._path is not None:
            self._from_file = self._read(self._path)

    async def identify(self, credential: str) -> Identity:
        """Return the identity of the key. Raises :class:`InvalidCredentialsError`."""
        if self._path is not None:
            self._reload_if_changed(self._path)
        hashed = _hash(credential)
        identity = self._listed.get(hashed) or self._from_file.get(hashed)
        if identity is None:
            raise InvalidCredentialsError
        return identity

    def _reload_if_changed(self, path: Path) -> None:
        try:
            if _version(path) != self._read_at:
                self._from_file = self._read(path)
                logger.info("API keys reloaded: file=%s keys=%d", path, len(self._from_file))
        except (OSError, ApiKeysError) as error:
            # The file may be half written; refusing all callers until the next change is worse.
            logger.warning("Failed to reload API keys, the old keys stay valid: %s", error)

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
        raise ApiKeysError("the hash is not a SHA-256: expected 64 hex digits in lower case")
    if unknown := set(scopes.split(",")) - set(SCOPES):
        raise ApiKeysError(
            f"unknown scope {', '.join(sorted(unknown))}: expected one of {', '.join(SCOPES)}"
        )
    return hashed, Identity(user, frozenset(cast("list[Scope]", scopes.split(","))))
