"""The sessions of calls: created with what the platform says of the call, and found by its id."""

import asyncio
import contextlib

import msgspec

from api.access.identity import Identity
from api.dialects.events import Begin
from api.dialects.tracks import ANOTHER_STREAM
from api.session.core import SessionState
from api.session.parameters import MAX_METADATA_BYTES, AudioParameters
from api.session.registry import Registry
from api.session.session import Session
from storage.details import Details

# Calls must not wait for a storage that fails, or for thousands of sessions.
_RECOVERY_SECONDS = 5.0

_DIALECT, _CALL_ID, _STREAM_ID = "dialect", "call_id", "stream_id"


class CallSessions:
    """Creates and finds the sessions of calls that are live in this process."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def find(self, user: str | None, dialect: str, begin: Begin) -> Session | None:
        """Return the active session of the same call of the same user, if it has no connection.

        After a start, wait until the sessions of the process before are taken over.

        A second connection of a call is another leg, and gets a session of its own. Audio of
        another rate or other channels does, too.
        """
        if not begin.call_id:
            return None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_RECOVERY_SECONDS):
                await self._registry.recovered.wait()
        wanted = (dialect, begin.call_id, begin.sample_rate, begin.channels)
        return next(
            (
                session
                for session in self._registry.live_of(user)
                if _call_of(session) == wanted
                and session.state is SessionState.ACTIVE
                and not session.connections
            ),
            None,
        )

    async def create(
        self,
        audio: AudioParameters,
        user: str | None,
        dialect: str,
        begin: Begin,
        identity: Identity,
    ) -> Session:
        """Create a session with the metadata of the call. Raises as `Registry.create` does."""
        details = Details(metadata=metadata_of(dialect, begin))
        return await self._registry.create(
            audio, user, details, is_admin=identity.has_admin_reserve
        )

    def frames_of(self, session: Session, begin: Begin) -> int:
        """Return where a connection that continues the ``session`` goes on; see `Tracks`.

        Only the same stream continues the time of the platform.
        """
        manifest = session.recording.manifest
        if manifest.metadata.get(_STREAM_ID) != begin.stream_id:
            return ANOTHER_STREAM
        return manifest.pcm_format.frames(session.recording.checkpoint.pcm_bytes)


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


def _call_of(session: Session) -> tuple[str | None, str | None, int, int]:
    manifest = session.recording.manifest
    known = manifest.metadata
    return known.get(_DIALECT), known.get(_CALL_ID), manifest.sample_rate, manifest.channels
