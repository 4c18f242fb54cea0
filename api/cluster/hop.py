"""The hops of a relayed request: at most one to another node, then one to another worker."""

from collections.abc import Mapping
from urllib.parse import unquote_plus

from litestar.types import Scope

from api.observe import log_context
from api.observe.requests import REQUEST_ID_HEADER
from api.observe.tracing import Tracing
from storage.worker import worker_number

# Set on relayed requests: "1" to another node, "worker" to another worker of the same machine.
# Otherwise two nodes that each consider the other one the owner would relay in a loop.
HOP_HEADER = "x-sercuescribe-relayed"
TO_WORKER = "worker"

CREDENTIAL_HEADERS = frozenset({"authorization", "x-api-key"})

# RFC 9110, section 7.6.1; and "date", which each server sets itself.
HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer", "date"}
)

# The owner gets its own host, which it accepts. This node has checked the client's host and origin.
_CHECKED_HERE = frozenset({"host", "origin", "sec-fetch-site", "x-forwarded-for"})

_HANDSHAKE = "sec-websocket-"  # each hop has a handshake of its own

OPEN_SECONDS = 5.0  # timeout for connecting to the owner


def relayed_headers(scope: Scope, *, with_credentials: bool, to_worker: bool) -> dict[str, str]:
    """Return the headers for the owner: the hop, the ids, the client, and those of the client.

    A worker of this machine answers to the same host.
    """
    tracing: Tracing = scope["litestar_app"].state.tracing
    headers = {
        HOP_HEADER: TO_WORKER if to_worker else "1",
        REQUEST_ID_HEADER.lower(): log_context.request_id.get(),
        **tracing.headers(),
        **forwarded_for(scope),
    }
    if to_worker:
        headers["x-forwarded-proto"] = scope["scheme"]
    left_out = HOP_BY_HOP | (_CHECKED_HERE - {"host"} if to_worker else _CHECKED_HERE)
    if not with_credentials:
        left_out |= CREDENTIAL_HEADERS
    for raw_name, value in scope["headers"]:
        name = raw_name.decode("latin-1")
        if name not in left_out and name not in headers and not name.startswith(_HANDSHAKE):
            headers[name] = value.decode("latin-1")
    return headers


def may_relay(headers: Mapping[str, str], address: str) -> bool:
    """Return whether a request with these headers may be relayed to the owner at ``address``."""
    hop = headers.get(HOP_HEADER)
    return hop is None or (hop != TO_WORKER and worker_number(address) is not None)


def forwarded_for(scope: Scope) -> dict[str, str]:
    """Return X-Forwarded-For with the client's address.

    The owner uses it if its TRUSTED_PROXIES contains this node.
    """
    client = scope.get("client")
    return {"x-forwarded-for": client[0]} if client else {}


def query_for_owner(scope: Scope, *, with_credentials: bool) -> str:
    """Return the query of the request; without credentials, without its token."""
    query = scope["query_string"].decode("latin-1")
    if with_credentials:
        return query
    pairs = query.split("&")
    return "&".join(pair for pair in pairs if unquote_plus(pair.partition("=")[0]) != "token")
