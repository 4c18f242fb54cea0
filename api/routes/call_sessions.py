"""The sessions of calls: created with what the platform says of the call, and found by its id.

A call that connects again may reach any process of the service. The storage knows the active
sessions of a call; another process that has the session gets all messages of the connection again,
checks its credential and decides what becomes of it, as if the platform had reached it.
"""

import asyncio
import hashlib
import logging
from collections.abc import Iterable
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection

from api.access.identity import Identity
from api.audio.formats import InputKind
from api.cluster.socket_relay import SocketRelay
from api.dialects.events import Begin
from api.dialects.tracks import ANOTHER_STREAM
from api.routes.call_socket import CallSocket
from api.session.found import Found, Live
from api.session.parameters import MAX_METADATA_BYTES, AudioParameters
from api.session.registry import Registry
from api.session.session import Session
from api.wire.errors import NodeUnreachableError, SessionCompletedError, SessionNotFoundError
from storage.details import Details
from storage.errors import BadObjectError, FencedError, OwnedElsewhereError

logger = logging.getLogger(__name__)

# How long a call waits for a session whose owner does not answer: if it has died, its lease ends
# meanwhile. For this time, a call waits between two attempts.
_WAIT_LEASES = 1.5
_PAUSE_LEASES = 0.25

_DIALECT, _CALL_ID, _STREAM_ID = "dialect", "call_id", "stream_id"


class Owner:
    """Another process, which has the session of a call."""

    def __init__(
        self, relay: SocketRelay, socket: CallSocket, connection: ClientConnection
    ) -> None:
        self._relay = relay
        self._socket = socket
        self._connection = connection

    async def record(self, first: Iterable[Any]) -> object:
        """Let it record the call, from the messages ``first`` on. Return the close code."""
        return await self._relay.run(self._socket.socket, self._connection, first)


class CallSessions:
    """Creates and finds the sessions of calls."""

    def __init__(self, registry: Registry, relay: SocketRelay, *, lease_seconds: float) -> None:
        self._registry = registry
        self._relay = relay
        self._lease_seconds = lease_seconds

    async def find(
        self, connection: CallSocket, user: str | None, dialect: str, begin: Begin
    ) -> Session | Owner | None:
        """Return the active session of the same call of the same user, or its owner.

        None: the call gets a new session. A second connection of a call is another leg, unless the
        platform no longer answers on the first one. Audio of another rate or codec, or of other
        channels, is another leg too. If sessions of the call are in several processes, none of
        these knows whether all are without a connection.
        """
        if not begin.call_id:
            return None
        call_hash = hash_of(user, dialect, begin)
        end = connection.clock.monotonic() + _WAIT_LEASES * self._lease_seconds
        while isinstance(found := await self._find(call_hash, begin), str):
            try:
                owner = await self._relay.connect(connection.socket, found)
            except NodeUnreachableError:
                if connection.is_full or connection.clock.monotonic() >= end:
                    logger.warning("Owner of a call did not answer: dialect=%s", dialect)
                    return None
            else:
                return Owner(self._relay, connection, owner)
            await asyncio.sleep(_PAUSE_LEASES * self._lease_seconds)
        return found

    async def _find(self, call_hash: str, begin: Begin) -> Session | str | None:
        """Return the session, or the address of the other process that has it.

        The address is empty if it is not known yet.
        """
        sessions = await self._registry.of_call(call_hash)
        try:
            owners = {await each.owner() for each in sessions}
        except BadObjectError:  # its node replaces the object soon
            return ""
        if len(owners) != 1:
            return None
        if (owner := owners.pop()) is not None:
            return owner
        if await _are_connected([each.session for each in sessions if isinstance(each, Live)]):
            return None
        audio = begin.sample_rate, begin.channels, input_kind(begin)
        for each in sessions:
            found = each.manifest
            if (found.sample_rate, found.channels, found.format) == audio:
                return await self._open(each)
        return None

    async def _open(self, found: Found) -> Session | str | None:
        try:
            session = await self._registry.open(found)
        except OwnedElsewhereError as error:
            return error.address
        except FencedError:
            return ""
        except (SessionCompletedError, SessionNotFoundError):
            return None
        return None if session.connections else session

    async def create(
        self,
        audio: AudioParameters,
        user: str | None,
        dialect: str,
        begin: Begin,
        identity: Identity,
    ) -> Session:
        """Create a session with the metadata of the call. Raises as `Registry.create` does."""
        return await self._registry.create(
            audio,
            user,
            Details(metadata=metadata_of(dialect, begin)),
            call_hash=hash_of(user, dialect, begin) if begin.call_id else None,
            is_admin=identity.has_admin_reserve,
        )

    def frames_of(self, session: Session, begin: Begin) -> int:
        """Return where a connection that continues the ``session`` goes on; see `Tracks`.

        Only the same stream continues the time of the platform.
        """
        manifest = session.recording.manifest
        if manifest.metadata.get(_STREAM_ID) != begin.stream_id:
            return ANOTHER_STREAM
        return manifest.pcm_format.frames(session.recording.checkpoint.pcm_bytes)


async def _are_connected(sessions: list[Session]) -> bool:
    """Return whether a platform is connected to one of them and answers.

    Connections on which none answers have ended then: everything that arrived is recorded.
    """
    connections = [connection for each in sessions for connection in each.connections]
    if any(await asyncio.gather(*(each.is_alive() for each in connections))):
        return True
    for connection in connections:
        await connection.wait_received()
    return any(each.connections for each in sessions)


def input_kind(begin: Begin) -> InputKind:
    """Return the input format of the session of a call."""
    return "g722" if begin.encoding == "g722" else "pcm_s16le"


def metadata_of(dialect: str, begin: Begin) -> dict[str, str]:
    """Return the metadata of the session: what fits, what identifies the call first."""
    known = {
        _DIALECT: dialect,
        _CALL_ID: begin.call_id,
        _STREAM_ID: begin.stream_id,
        "from": begin.caller,
        "to": begin.callee,
    }
    metadata: dict[str, str] = {}
    for name, value in [*known.items(), *begin.parameters.items()]:
        more = metadata | {name: metadata.get(name, value)}
        if value and len(msgspec.json.encode(more)) <= MAX_METADATA_BYTES:
            metadata = more
    return metadata


def hash_of(user: str | None, dialect: str, begin: Begin) -> str:
    """Return what the sessions of one call of one user have in common."""
    call = msgspec.json.encode((user, dialect, begin.call_id))
    return hashlib.sha256(call).hexdigest()[:32]
