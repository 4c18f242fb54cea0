"""The HTTP endpoint that returns the user and the scopes of the caller."""

from litestar import get

from api.access.authorization import requires
from api.access.identity import SCOPES
from api.routes.request import HttpRequest, identity_of
from api.wire.messages import CallerIdentity
from api.wire.openapi import COMMON_ERRORS, errors


@get(
    "/api/identity",
    tags=["system"],
    guards=[requires(*SCOPES)],
    responses=errors(*COMMON_ERRORS),
    operation_id="getIdentity",
    response_description="The user and the scopes of the key or token",
    summary="Get the user and the scopes of the key or token of the request",
    sync_to_thread=False,
)
def identity(request: HttpRequest) -> CallerIdentity:
    found = identity_of(request)
    scopes = [scope for scope in SCOPES if found.has_scope(scope)]
    return CallerIdentity(user_id=found.user, scopes=scopes)
