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

from api.access.identity import INGEST_ONLY, SCOPES, Identity, Scope
from api.access.watched_file import WatchedFile
from api.wire.errors import InvalidCredentialsError

logger = logging.getLogger(__name__)

_PREFIX = "scribe_"

# Of tokens with the scope `ingest` alone. Some platforms accept letters and digits only.
_INGEST_PREFIX = "scribeingest"
_HASH_CHARACTERS = 64


class ApiKeysError(Exception):
    """A list of API keys cannot be read, or one of its lines is not valid."""


def new_key(scopes: Iterable[Scope] = ()) -> str:
    """Return a new random API key for ``scopes``; an ingest token has letters and digits only."""
    if set(scopes) == INGEST_ONLY:
        return _INGEST_PREFIX + secrets.token_hex(32)
    return _PREFIX + secrets.token_urlsafe(32)


def is_key(credential: str) -> bool:
    """Return whether ``credential`` looks like a key of this service."""
    return credential.startswith((_PREFIX, _INGEST_PREFIX))


def key_line(key: str, user: str, scopes: Iterable[Scope]) -> str:
    """Return the line for ``key`` in the list. Raises :class:`ApiKeysError` for a bad ``user``."""
    line = f"{_hash(key)} {user} {','.join(scopes)}"
    if [identity.user for _, identity in _parse(line.split(";"))] != [user]:
        raise ApiKeysError(f"user {user!r} is not valid: use no spaces, ';' or '#'")
    return line


class ApiKeys:
    """API keys from the settings and from a file. A change of the file takes effect at once."""

    def __init__(self, listed: str, file: str) -> None:
        """Parse ``listed`` (lines separated by semicolons) and read ``file``, if it is not empty.

        Raises :class:`ApiKeysError`.
        """
        self._listed = dict(_parse(listed.split(";")))
        self._file = WatchedFile(Path(file)) if file else None
        self._from_file: dict[str, Identity] = {}
        if self._file is not None:
            self._from_file = _read_strictly(self._file)

    async def identify(self, credential: str) -> Identity:
        """Return the identity of the key. Raises :class:`InvalidCredentialsError`."""
        if self._file is not None:
            self._reload_if_changed(self._file)
        hashed = _hash(credential)
        identity = self._listed.get(hashed) or self._from_file.get(hashed)
        if identity is None:
            raise InvalidCredentialsError
        return identity

    def _reload_if_changed(self, file: WatchedFile) -> None:
        """Take the keys that the file lists now: a key that is not there any more is refused.

        A line that is not valid does not count, and does not keep removed keys valid.
        """
        try:
            content = file.changed()
        except FileNotFoundError:
            file.forget()
            if self._from_file:
                logger.warning(
                    "The file of API keys is missing, its keys are refused: file=%s", file.path
                )
            self._from_file = {}
            return
        except OSError as error:  # such as too many open files
            logger.warning("Failed to read API keys, the old keys stay valid: error=%s", error)
            return
        if content is not None:
            self._from_file = _read_leniently(file.path, content)
            logger.info("API keys reloaded: file=%s keys=%d", file.path, len(self._from_file))


def _read_strictly(file: WatchedFile) -> dict[str, Identity]:
    try:
        content = file.changed() or b""
        return dict(_parse(content.decode().splitlines()))
    except (OSError, UnicodeDecodeError, ApiKeysError) as error:
        raise ApiKeysError(f"{file.path}: {error}") from error


def _read_leniently(path: Path, content: bytes) -> dict[str, Identity]:
    keys: dict[str, Identity] = {}
    for number, line in enumerate(content.decode(errors="replace").splitlines(), start=1):
        try:
            keys.update(_parse([line]))
        except ApiKeysError as error:
            reason = str(error).partition(": ")[2]
            logger.warning("API key ignored: file=%s line=%d error=%s", path, number, reason)
    return keys


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
