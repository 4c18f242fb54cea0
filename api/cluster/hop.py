"""The single hop of a relayed request, from the node it reached to the owner of its session."""

from litestar.types import Scope

# Set on relayed requests. Otherwise two nodes that each consider the other one the owner would
# relay in a loop.
HOP_HEADER = "x-sercuescribe-relayed"

OPEN_SECONDS = 5.0  # timeout for connecting to the owner


def forwarded_for(scope: Scope) -> dict[str, str]:
    """Return X-Forwarded-For with the client's address.

    The owner uses it if its TRUSTED_PROXIES contains this node.
    """
    client = scope.get("client")
    return {"x-forwarded-for": client[0]} if client else {}
