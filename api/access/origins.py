"""The origins whose pages may open WebSockets and change sessions.

A page of another site can make its visitor's browser open WebSockets and send simple requests to
the service, and CORS does not apply to them (cross-site WebSocket hijacking, cross-site request
forgery). The browser states the origin of the page, and in ``Sec-Fetch-Site`` its relation to the
service (W3C Fetch Metadata).
"""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from api.access.hosts import Host, parse_host

# Apps have schemes of their own: capacitor://localhost, tauri://localhost.
_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://(\*\.)?([^*/?#@,\s]+)", re.IGNORECASE)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_SAME_SITE = {"same-origin", "none"}


class AllowedOrigins:
    """The origins that the settings name, besides those of the service itself."""

    def __init__(self, listed: Iterable[str], public_url: str = "") -> None:
        """Allow ``listed`` and the page at ``public_url``.

        An entry is an origin, an origin with ``*.`` before its domain for all its subdomains, or
        ``*`` for every origin. Raises ``ValueError``.
        """
        entries = list(listed)
        self.allows_all = "*" in entries
        patterns = [_pattern(entry) for entry in entries if entry != "*"]
        # Also the pattern for CORS. Without an entry it matches no origin.
        self.pattern = f"(?i:{'|'.join(patterns)})" if patterns else r"(?!)"
        self._listed = re.compile(self.pattern)
        url = urlsplit(public_url)
        parsed = _parse(f"{url.scheme}://{url.netloc}")
        self._own = None if parsed is None else (parsed[0], parsed[2])

    def permits(self, origin: str | None, fetch_site: str | None, host: str) -> bool:
        """Return whether a page may send a request with these headers.

        ``host`` is the value of ``Host``. A request without the other two comes from no page.
        """
        if origin is None:
            return fetch_site is None or fetch_site in _SAME_SITE
        if self.allows_all or self._listed.fullmatch(origin):
            return True
        parsed, own_host = _parse(origin), parse_host(host)
        if parsed is None or parsed[1] or own_host is None:
            return False
        scheme, _, page_host = parsed
        if (scheme, page_host) == self._own or _is_same(scheme, page_host, own_host):
            return True
        return scheme in _DEFAULT_PORTS and page_host.is_loopback and own_host.is_loopback


def _parse(origin: str) -> tuple[str, bool, Host] | None:
    """Return the scheme, whether ``*.`` precedes the host, and the host.

    The port is None if it is the default of the scheme. Return None if ``origin`` is no origin.
    """
    match = _ORIGIN.fullmatch(origin)
    host = match and parse_host(match[3])
    if match is None or host is None:
        return None
    scheme = match[1].lower()
    if host.port == _DEFAULT_PORTS.get(scheme):
        host = host._replace(port=None)
    return scheme, match[2] is not None, host


def _is_same(scheme: str, page_host: Host, own_host: Host) -> bool:
    """Return whether a page's host is that of the request.

    The scheme of the request is that of the last proxy, so it is not compared.
    """
    if own_host.port == _DEFAULT_PORTS.get(scheme):
        own_host = own_host._replace(port=None)
    return page_host == own_host


def _pattern(entry: str) -> str:
    """Return the regular expression of the origins that ``entry`` names."""
    parsed = _parse(entry)
    if parsed is None:
        raise ValueError(
            f"{entry!r} is not an origin: expected origins such as https://app.example, "
            "https://*.app.example or capacitor://localhost, without a path, separated by "
            "commas; or *"
        )
    scheme, is_wildcard, (name, port) = parsed
    subdomains = r"(?:[0-9a-z_-]+\.)+" if is_wildcard else ""
    host = f"\\[{re.escape(name)}\\]" if ":" in name else re.escape(name)
    if port is not None:
        suffix = f":{port}"
    else:
        default = _DEFAULT_PORTS.get(scheme)
        suffix = f"(?::{default})?" if default else ""
    return f"{re.escape(scheme)}://{subdomains}{host}{suffix}"
