"""Listening sockets, bound before the service starts: an address in use ends the start."""

import socket
import sys

from api.cli.node_url import is_all_addresses

_BACKLOG = 2048  # uvicorn's default
_LAST_PORT = 65535


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens for clients. Exit with 1 if that is not possible."""
    return _listen_or_exit(host, port, f"{host}:{port}")


def listen_for_metrics(address: str) -> socket.socket | None:
    """Return a socket that listens on METRICS_ADDRESS, None if it is empty.

    Exit with 1 if that is not possible.
    """
    if not address:
        return None
    host, _, port = address.rpartition(":")
    return _listen_or_exit(host.strip("[]"), int(port), f"METRICS_ADDRESS={address}")


def _listen_or_exit(host: str, port: int, name: str) -> socket.socket:
    if port > _LAST_PORT:
        sys.exit(f"sercuescribe: {name}: a port is at most {_LAST_PORT}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server(
            (host, port),
            family=family,
            backlog=_BACKLOG,
            dualstack_ipv6=family == socket.AF_INET6
            and is_all_addresses(host)
            and socket.has_dualstack_ipv6(),
        )
    except OSError as error:
        sys.exit(f"sercuescribe: {name}: {error}")
