"""The proxies whose ``X-Forwarded-For`` names the client."""

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class TrustedProxies:
    """Finds the address of the client behind proxies that the operator has named."""

    def __init__(self, listed: Iterable[str]) -> None:
        """Trust the addresses and networks in ``listed``, or with ``*`` every peer.

        Raises ``ValueError``.
        """
        entries = list(listed)
        self._trusts_all = "*" in entries
        self._networks = [_network(entry) for entry in entries if entry != "*"]

    def trusts(self, peer: str) -> bool:
        """Return whether the headers of ``peer`` count."""
        return self._trusts_all or self._is_listed(_address(peer))

    def client(self, forwarded_for: str) -> str | None:
        """Return the address of the client in the value of ``X-Forwarded-For``.

        Each proxy appends the address that it sees, so the last address that is not that of a
        trusted proxy is the client: a client can choose all before it. If every peer is trusted,
        that is the last address. None if there is none.
        """
        client = None
        for part in reversed(forwarded_for.split(",")):
            address = _address(_without_port(part.strip()))
            if address is None:
                break
            client = str(address)
            if self._trusts_all or not self._is_listed(address):
                break
        return client

    def _is_listed(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)


def _network(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(entry, strict=False)
    except ValueError:
        raise ValueError(
            f"{entry!r} is not an address or a network: expected addresses such as 10.0.0.7 or "
            "networks such as 10.0.0.0/8, separated by commas; or *"
        ) from None


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if address.version == 6 else None
    return mapped or address


def _without_port(text: str) -> str:
    """Return the address in ``text``; some proxies append the port."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
