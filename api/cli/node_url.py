"""The URL under which the other nodes of a bucket reach this node, if NODE_URL does not say it."""

import logging
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

from api.server.process import http_url

logger = logging.getLogger(__name__)

Address = IPv4Address | IPv6Address


def node_url(host: str, port: int) -> str:
    """Return the URL of a node that listens on ``host``.

    If it listens on all addresses, the URL has the first address of the machine's host name that
    other machines can reach.
    """
    address = _address(host)
    if address is None or not address.is_unspecified:
        return http_url(host, port)
    found = list(_machine_addresses(address.version))
    reachable = [each for each in found if not each.is_loopback]
    if not reachable:
        logger.warning(
            "Other machines cannot reach this node, set NODE_URL to the URL under which they do: "
            "host_name=%s has only loopback addresses",
            socket.gethostname(),
        )
    loopback: list[Address] = [IPv4Address("127.0.0.1")]
    return http_url(str((reachable or found or loopback)[0]), port)


def is_all_addresses(host: str) -> bool:
    """Return whether ``host`` stands for all addresses of the machine."""
    address = _address(host)
    return address is not None and address.is_unspecified


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a service that listens on ``host``."""
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _machine_addresses(version: int) -> Iterator[Address]:
    """Yield the addresses of the host name, IPv4 first; only these if IPv4 is listened on."""
    try:
        found = socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_STREAM)
    except OSError:
        return
    families = (socket.AF_INET, socket.AF_INET6) if version == 6 else (socket.AF_INET,)
    for wanted in families:
        for family, _, _, _, name in found:
            if family == wanted and not (address := ip_address(str(name[0]))).is_link_local:
                yield address


def _address(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
