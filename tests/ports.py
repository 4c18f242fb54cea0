"""Ports for servers that tests start, kill and restart on the same port."""

import itertools
import random
import socket

# Below the ports that Linux gives to outgoing connections (32768 to 60999, ip(7)): one of those
# could be in use by a client when the server starts again.
_PORTS = range(10_000, 32_000)
_candidates = itertools.cycle(random.Random().sample(_PORTS, len(_PORTS)))

_reservations: list[socket.socket] = []  # until this process ends


def reserve_ports(count: int) -> list[int]:
    """Return ports that nothing listens on and that no other test process will be given."""
    free = (port for port in _candidates if _is_unused(port) and _reserve(port))
    return list(itertools.islice(free, count))


def _is_unused(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _reserve(port: int) -> bool:
    """Take the name of the port in the abstract namespace, which all test processes share."""
    reservation = socket.socket(socket.AF_UNIX)
    try:
        reservation.bind(f"\0sercuescribe-test-port-{port}")
    except OSError:
        reservation.close()
        return False
    _reservations.append(reservation)
    return True
