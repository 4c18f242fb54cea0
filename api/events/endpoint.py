"""The endpoints that get events, from WEBHOOK_URLS and WEBHOOK_SECRETS, or from WEBHOOKS_FILE."""

import hashlib
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from api.events.entry import EVENT_TYPES, EventType
from api.events.signature import parse_secret


class Endpoint(msgspec.Struct, frozen=True):
    """Where events are sent, which ones, and the keys that sign them: the newest first."""

    url: str
    keys: tuple[bytes, ...]
    events: tuple[EventType, ...] = EVENT_TYPES

    @property
    def key(self) -> str:
        """Return what names the endpoint in entries of the outbox."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:16]

    @property
    def host(self) -> str:
        """Return what names the endpoint in the log. Path and query may have secrets."""
        return urlsplit(self.url).netloc


class _FileEndpoint(msgspec.Struct, forbid_unknown_fields=True):
    url: str
    secrets: list[str]
    events: tuple[EventType, ...] = EVENT_TYPES


class _File(msgspec.Struct, forbid_unknown_fields=True):
    endpoint: list[_FileEndpoint]


def read_endpoints(urls: str, secrets: str, file: str) -> list[Endpoint]:
    """Return the endpoints of the three settings. Raises ``ValueError`` that names the setting."""
    found = _of_variables(urls, secrets) + (_of_file(Path(file)) if file else [])
    if len({endpoint.url for endpoint in found}) != len(found):
        raise ValueError("WEBHOOK_URLS, WEBHOOKS_FILE: an URL occurs twice")
    return found


def check_url(url: str) -> None:
    """Raise ``ValueError`` unless ``url`` is one of HTTP without user and password."""
    try:
        parts = urlsplit(url)
        is_http = parts.scheme in {"http", "https"} and parts.hostname and parts.username is None
        is_valid = is_http and parts.port != 0
    except ValueError:  # its text has a part of the URL, which may be one of a password
        is_valid = False
    if not is_valid:
        raise ValueError(
            "expected http:// or https:// URLs with a valid port, without user and password"
        )


def _of_variables(urls: str, secrets: str) -> list[Endpoint]:
    listed = [url.strip() for url in urls.split(",") if url.strip()]
    try:
        keys = parse_secrets(secrets)
    except ValueError as error:
        raise ValueError(f"WEBHOOK_SECRETS: {error}") from error
    if listed and not keys:
        raise ValueError(
            "WEBHOOK_URLS needs WEBHOOK_SECRETS: sercuescribe webhooks secret prints a secret"
        )
    try:
        for url in listed:
            check_url(url)
    except ValueError as error:
        raise ValueError(f"WEBHOOK_URLS: {error}") from error
    return [Endpoint(url, keys) for url in listed]


def parse_secrets(secrets: str) -> tuple[bytes, ...]:
    """Return the keys of secrets that are separated by commas. Raises ``ValueError``."""
    return tuple(parse_secret(each.strip()) for each in secrets.split(",") if each.strip())


def _of_file(path: Path) -> list[Endpoint]:
    try:
        listed = msgspec.convert(tomllib.loads(path.read_text()), _File).endpoint
        return [_of_entry(each) for each in listed]
    except (OSError, ValueError) as error:  # errors of tomllib and msgspec are ValueErrors
        raise ValueError(f"WEBHOOKS_FILE: {path}: {error}") from error


def _of_entry(entry: _FileEndpoint) -> Endpoint:
    check_url(entry.url)
    keys = tuple(parse_secret(secret) for secret in entry.secrets)
    if not keys:
        raise ValueError("an endpoint has no secrets")
    return Endpoint(entry.url, keys, entry.events)
