"""Access of telephone and voice platforms, of which some show a credential only in their messages.

A platform that can set headers authenticates in the handshake, as every client does. Others put a
token into the path, the query, or among the parameters of the call (``token``), which arrive in a
message after the handshake. Such a connection is accepted, and nothing of it is recorded before.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import msgspec
from litestar import WebSocket

from api.access.call_signatures import TWILIO
from api.access.credentials import Authenticator
from api.access.identity import Caller, Identity, network_of
from api.dialects.events import Begin
from api.observe.logs import redacted
from api.wire.errors import AuthenticationRequiredError, NotAllowedError, RateLimitedError

Socket = WebSocket[Any, Any, Any]

# Connections that have not shown a credential yet; each may hold half a mebibyte.
_MAX_PENDING = 100
_MAX_PENDING_OF_CLIENT = 25  # so that one client cannot keep the others out

_TOKEN = "token"  # noqa: S105 - a name
_PREFIXES = ("x-ph-", "x-")  # Plivo and SIP put them before the names of headers


class CallAccess:
    """Checks the credential of a call before its first audio is recorded."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator
        self._pending: dict[str, int] = {}  # connections by network; none has 0

    @contextlib.contextmanager
    def admitting(self, socket: Socket) -> Iterator[None]:
        """Wait in the context for the message with the parameters of the call.

        Raises what is wrong with the credential of the handshake, if there is one, and
        `RateLimitedError` if too many connections without one wait, of this client or of all.
        """
        caller: Caller = socket.scope["user"]
        if caller.identity is not None:
            _check_scope(caller.identity)
            yield
            return
        if not isinstance(caller.failure, AuthenticationRequiredError):
            raise caller.failure or AuthenticationRequiredError()
        client = network_of(caller.address)
        of_client = self._pending.get(client, 0)
        if of_client >= _MAX_PENDING_OF_CLIENT or sum(self._pending.values()) >= _MAX_PENDING:
            raise RateLimitedError
        self._pending[client] = of_client + 1
        try:
            yield
        finally:
            self._pending[client] -= 1
            if not self._pending[client]:
                del self._pending[client]

    async def admit_call(
        self, socket: Socket, dialect: str, begin: Begin
    ) -> tuple[Begin, Identity]:
        """Return ``begin`` without its token, and the identity of the platform.

        A token has precedence over a signature, which is the same for all users of the platform.
        Raises as `Authenticator` does, and `NotAllowedError` without the scope.
        """
        self._authenticator.check_dialect(socket.scope, dialect)
        caller: Caller = socket.scope["user"]
        identity = caller.identity
        token, begin = _take_token(begin)
        if identity is None or (identity == TWILIO and token):
            identity = await self._authenticator.identify_token(token)
            _check_scope(identity)
            socket.scope["user"] = Caller(caller.address, identity)
        return begin, identity


def _check_scope(identity: Identity) -> None:
    if identity.session_id is not None or not identity.has_scope("record", "ingest"):
        raise NotAllowedError("the scope record or ingest is required")


def _take_token(begin: Begin) -> tuple[str, Begin]:
    """Return the token among the parameters, and ``begin`` without anything secret."""
    token, kept = "", {}
    for name, value in begin.parameters.items():
        bare = name.lower()
        for prefix in _PREFIXES:
            bare = bare.removeprefix(prefix)
        if bare == _TOKEN:
            token = value
        else:
            kept[name] = redacted(value)
    return token, msgspec.structs.replace(begin, parameters=kept)
