"""Authorization: each endpoint checks the caller's scope and the owner of the session first.

A caller gets the same answer for another user's session as for an unknown id, so that it cannot
find out which ids exist.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from api.access.audit import audit
from api.access.identity import Caller, Identity, Scope
from api.session.found import Found
from api.session.registry import Registry
from api.session.session_ids import parse_session_id
from api.wire.errors import (
    AuthenticationRequiredError,
    NotAllowedError,
    SessionNotFoundError,
    to_wire_error,
)

Connection = ASGIConnection[Any, Any, Any, Any]
_FOUND = "found_session"

Guard = Callable[[Connection, BaseRouteHandler], Awaitable[None]]


def requires(*any_of: Scope) -> Guard:
    """Return a guard for HTTP endpoints: see :func:`admit`."""

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        await admit(connection, *any_of)

    return guard


async def admit(connection: Connection, *any_of: Scope) -> Identity:
    """Return the identity of the caller if it has one of the scopes and owns the session.

    Raises `AuthenticationRequiredError`, `NotAllowedError`, `SessionNotFoundError`, or what the
    middleware noted as the caller's failure. Writes ``denied`` to the audit log if the session is
    unknown or another user's; `refusals` does so for the other errors.
    """
    caller: Caller = connection.scope["user"]
    try:
        return await _admit(connection, caller, any_of)
    except SessionNotFoundError as error:
        audit("denied", caller, connection.path_params["session_id"], reason=str(error))
        connection.app.state.metrics.denied.add(to_wire_error(error).code)
        raise


async def find_session(connection: Connection) -> Found:
    """Return the session that the path names, looked up once for each request.

    Raises :class:`SessionNotFoundError`.
    """
    state = connection.scope["state"]
    if _FOUND not in state:
        registry: Registry = connection.app.state.registry
        state[_FOUND] = await registry.lookup(connection.path_params["session_id"])
    found: Found = state[_FOUND]
    return found


async def _admit(connection: Connection, caller: Caller, any_of: tuple[Scope, ...]) -> Identity:
    identity = caller.identity
    if identity is None:
        raise caller.failure or AuthenticationRequiredError()
    if not identity.has_scope(*any_of):
        raise NotAllowedError(f"the scope {' or '.join(any_of)} is required")
    session_id: str | None = connection.path_params.get("session_id")
    if identity.session_id is not None and session_id is None:
        raise NotAllowedError("a session token is valid for its own session only")
    if session_id is not None:
        await _check_owner(connection, identity, session_id)
    return identity


async def _check_owner(connection: Connection, identity: Identity, session_id: str) -> None:
    """Raise `SessionNotFoundError` if the session belongs to another user or token."""
    key = parse_session_id(session_id)
    if identity.session_id is not None:
        if identity.session_id != str(key):
            raise SessionNotFoundError(session_id)
    elif not identity.is_admin:
        found = await find_session(connection)
        if found.manifest.user_id != identity.user:
            raise SessionNotFoundError(session_id)


def effective_user(identity: Identity, user_id: str | None) -> str | None:
    """Return the user that a request acts for: the caller; for an admin, any ``user_id``.

    Raises `NotAllowedError` if the caller names another user.
    """
    if identity.is_admin:
        return user_id or identity.user
    if user_id is not None and user_id != identity.user:
        raise NotAllowedError("user_id names another user")
    return identity.user
