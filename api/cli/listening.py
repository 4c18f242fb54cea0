"""The sockets on which the service listens: they exist before it starts, or the command fails."""

import socket
import sys

from api.cli.node_url import is_all_addresses

_BACKLOG = 2048  # uvicorn's default


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; exit with 1 if the address cannot be used."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server(
            (host, port),
            family=family,
            backlog=_BACKLOG,
            dualstack_ipv6=family == socket.AF_INET6
            and is_all_addresses(host)
            and socket.has_dualstack_ipv6(),
        )
    except OSError as error:
        sys.exit(f"sercuescribe: {host}:{port}: {error}")


def listen_for_metrics(address: str) -> socket.socket | None:
    """Return a socket that listens on METRICS_ADDRESS; None if it is empty."""
    if not address:
        return None
    host, _, port = address.rpartition(":")
    return listen(host.strip("[]"), int(port))
