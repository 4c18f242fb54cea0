"""The single hop of a relayed request, from the node it reached to the owner of its session."""

from urllib.parse import unquote_plus

from litestar.types import Scope

from api.observe import log_context
from api.observe.requests import REQUEST_ID_HEADER
from api.observe.tracing import Tracing

# Set on relayed requests. Otherwise two nodes that each consider the other one the owner would
# relay in a loop.
HOP_HEADER = "x-sercuescribe-relayed"

CREDENTIAL_HEADERS = frozenset({"authorization", "x-api-key"})

OPEN_SECONDS = 5.0  # timeout for connecting to the owner


def relayed_headers(scope: Scope) -> dict[str, str]:
    """Return the headers of a relayed request: the hop, the ids, the client."""
    tracing: Tracing = scope["litestar_app"].state.tracing
    return {
        HOP_HEADER: "1",
        REQUEST_ID_HEADER.lower(): log_context.request_id.get(),
        **tracing.headers(),
        **forwarded_for(scope),
    }


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
