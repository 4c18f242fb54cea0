"""What a caller may do, and with which session: asked at each endpoint, before it does anything.

Somebody else's session does not exist for a caller: the answer is the same as for an id that was
never given out.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from api.access.audit import audit
from api.access.identity import Caller, Identity, Scope
from api.session.registry import Registry, parse_session_id
from api.wire.errors import AuthenticationRequiredError, NotAllowedError, SessionNotFoundError

Connection = ASGIConnection[Any, Any, Any, Any]
Guard = Callable[[Connection, BaseRouteHandler], Awaitable[None]]


def requires(*any_of: Scope) -> Guard:
    """A guard for HTTP endpoints; ``session_id`` in their path is the caller's own."""

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        await admit(connection, *any_of)

    return guard


async def admit(connection: Connection, *any_of: Scope) -> Identity:
    """Whom it lets in; raises one of `api.wire.errors` for whom it does not."""
    caller: Caller = connection.scope["user"]
    try:
        return await _admit(connection, caller, any_of)
    except Exception as error:
        session_id = connection.path_params.get("session_id")
        if not isinstance(error, SessionNotFoundError) or caller.identity is not None:
            audit("denied", caller, session_id, reason=str(error))
        raise


async def _admit(connection: Connection, caller: Caller, any_of: tuple[Scope, ...]) -> Identity:
    identity = caller.identity
    if identity is None:
        raise caller.failure or AuthenticationRequiredError()
    if not identity.may(*any_of):
        raise NotAllowedError(f"this takes the scope {' or '.join(any_of)}")
    session_id: str | None = connection.path_params.get("session_id")
    if identity.session_id is not None and session_id is None:
        raise NotAllowedError("a session's token is good for that session alone")
    if session_id is not None:
        await _must_own(identity, session_id, connection.app.state.registry)
    return identity


async def _must_own(identity: Identity, session_id: str, registry: Registry) -> None:
    key = str(parse_session_id(session_id))
    if identity.session_id is not None:
        if identity.session_id != key:
            raise SessionNotFoundError(session_id)
    elif not identity.is_admin and await registry.owner(session_id) != identity.user:
        raise SessionNotFoundError(session_id)


def acting_for(identity: Identity, user_id: str | None) -> str | None:
    """The user that the caller speaks of: itself, unless it may speak of anybody."""
    if identity.is_admin:
        return user_id or identity.user
    if user_id is not None and user_id != identity.user:
        raise NotAllowedError("user_id is somebody else")
    return identity.user
