"""The one hop that a request may take from the node it reached to the node that has its session."""

from litestar.types import Scope

# Set on what is relayed. Two nodes that take each other for the owner must not relay in a circle.
HOP_HEADER = "x-sercuescribe-relayed"

OPEN_SECONDS = 5.0  # within which the owner must accept a connection


def forwarded_for(scope: Scope) -> dict[str, str]:
    """Return the header that names the client, for an owner whose TRUSTED_PROXIES has this node."""
    client = scope.get("client")
    return {"x-forwarded-for": client[0]} if client else {}
