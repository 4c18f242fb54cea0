"""What the object of a node says of it, and whether its address can be used."""

import ipaddress
from datetime import datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from storage.errors import decoding
from storage.volume.disk import boot_id_of_kernel

_NETWORK = Path("/proc/self/ns/net")


class Presence(msgspec.Struct, frozen=True):
    """The content of a node's object. ``address`` is the URL at which other nodes reach it.

    Releases up to 0.2.0 compare ``expires_at`` with their clock, and leave out what follows
    ``signature``. ``loopback`` is what `loopback_id` returns at the node. ``sweeps``: the node
    can delete expired sessions.
    """

    address: str
    expires_at: Annotated[datetime, Meta(tz=True)]
    signature: str = ""
    loopback: str = ""
    sweeps: bool = False


def decode_presence(node_id: str, data: bytes) -> Presence:
    """Return what the object of a node says. Raises `BadObjectError`."""
    with decoding(f"{node_id} does not say where the node is reached"):
        return msgspec.json.decode(data, type=Presence)


def loopback_id() -> str:
    """Return an id that processes have in common if one reaches the other at 127.0.0.1.

    That is a network namespace of Linux (namespaces(7): its inode identifies it) in one boot of a
    machine; containers of one machine have the same boot and loopback interfaces of their own.
    "" if the system does not tell.
    """
    boot_id = boot_id_of_kernel()
    try:
        return f"{boot_id}/{_NETWORK.stat().st_ino}" if boot_id else ""
    except OSError:
        return ""


def is_loopback(address: str) -> bool:
    """Return whether a URL leads to the machine that opens it.

    So do the unspecified addresses: Linux connects to the machine itself.
    """
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        return False
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")  # RFC 6761, section 6.3
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return ip.is_loopback or ip.is_unspecified
