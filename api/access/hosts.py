"""The host of a request, and the hosts that a service without authentication answers to.

A page of another site can have a name that resolves to the address of the service (DNS rebinding).
Its browser then treats the service as part of that site. The browser still sends the name in
``Host``, so the service accepts only hosts for which no other site can choose the address.
"""

import ipaddress
import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

# An IPv6 address in brackets, or a name or IPv4 address; then a port (RFC 9110, section 7.2).
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([0-9a-z._-]+))(?::([0-9]{0,5}))?", re.IGNORECASE)
_NAME = re.compile(r"(?:\*\.)?[0-9a-z_-]+(?:\.[0-9a-z_-]+)*", re.IGNORECASE)


class Host(NamedTuple):
    """A host in lower case, without brackets, and its port if it is stated."""

    name: str
    port: int | None

    @property
    def is_loopback(self) -> bool:
        """Return whether the host is a loopback address or a name for it (RFC 6761)."""
        address = _address(self.name)
        if address is None:
            return self.name == "localhost" or self.name.endswith(".localhost")
        return address.is_loopback

    @property
    def is_local(self) -> bool:
        """Return whether no other site can choose the address of the host.

        This holds for addresses, for names without a dot, which have no entry in the public DNS,
        and for names below ``localhost``.
        """
        return _address(self.name) is not None or "." not in self.name or self.is_loopback


def parse_host(text: str) -> Host | None:
    """Return the host and port in ``text``; None if it is not a valid value of ``Host``."""
    match = _HOST.fullmatch(text)
    if match is None:
        return None
    literal, name, port = match.groups()
    if literal is not None and _address(literal) is None:
        return None
    return Host((literal or name).lower(), int(port) if port else None)


class AllowedHosts:
    """The hosts that a service without authentication answers to."""

    def __init__(self, listed: Iterable[str], urls: Iterable[str] = ()) -> None:
        """Allow ``listed`` and the hosts of ``urls`` besides local hosts.

        An entry is a name, a name with ``*.`` before it for all names below it, or ``*``. Raises
        ``ValueError``.
        """
        hosts = [parse_host(urlsplit(url).netloc) for url in urls]
        self._names = {host.name for host in hosts if host is not None}
        self._suffixes: list[str] = []
        self._allows_all = False
        for entry in listed:
            self._add(entry.lower())

    def allows(self, header: str) -> bool:
        """Return whether the service answers to a request with this value of ``Host``."""
        host = parse_host(header)
        if host is None:
            return False
        return (
            host.is_local
            or self._allows_all
            or host.name in self._names
            or host.name.endswith(tuple(self._suffixes))
        )

    def _add(self, name: str) -> None:
        if name == "*":
            self._allows_all = True
        elif _NAME.fullmatch(name) is None:
            raise ValueError(
                f"{name!r} is not a host name: expected names such as rec.example or "
                "*.example, without scheme and port, separated by commas; or *"
            )
        elif name.startswith("*."):
            self._suffixes.append(name[1:])
        else:
            self._names.add(name)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
