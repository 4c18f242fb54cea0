"""Endpoints for the other workers of this service only, over their Unix sockets."""

from litestar import post
from litestar.exceptions import NotFoundException

from api.cluster.siblings import COMPLETE_UNUSED
from api.routes.request import HttpRequest, Injected
from api.session.registry import Registry


@post(COMPLETE_UNUSED, include_in_schema=False, status_code=200)
async def complete_unused(request: HttpRequest, registry: Injected[Registry], user_id: str) -> bool:
    """Complete a session that the user has created and not used; return whether there was one."""
    if request.scope.get("client") is not None:  # it did not arrive over the Unix socket
        raise NotFoundException
    return await registry.complete_unused(user_id)
