"""The sessions of calls: created with what the platform says of the call, and found by its id."""

from api.access.identity import Identity
from api.dialects.events import Begin
from api.session.core import SessionState
from api.session.parameters import AudioParameters
from api.session.registry import Registry
from api.session.session import Session

_Key = tuple[str | None, str, str]  # user, dialect, call id


class CallSessions:
    """Creates and finds the sessions of calls that are live in this process."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._live: dict[_Key, Session] = {}

    def find(self, user: str | None, dialect: str, begin: Begin) -> Session | None:
        """Return the active session of the same call of the same user, if it has no connection.

        A second connection of a call is another leg, and gets a session of its own. Audio of
        another rate or other channels does, too.
        """
        session = self._live.get((user, dialect, begin.call_id)) if begin.call_id else None
        if session is None or session.state is not SessionState.ACTIVE or session.connections:
            return None
        manifest = session.recording.manifest
        found = (manifest.sample_rate, manifest.channels)
        return session if found == (begin.sample_rate, begin.channels) else None

    async def create(
        self,
        audio: AudioParameters,
        user: str | None,
        dialect: str,
        begin: Begin,
        identity: Identity,
    ) -> Session:
        """Create a session. Raises as `Registry.create` does."""
        session = await self._registry.create(audio, user, is_admin=identity.has_admin_reserve)
        if begin.call_id:
            self._live = {key: each for key, each in self._live.items() if not each.gone.is_set()}
            self._live[user, dialect, begin.call_id] = session
        return session

    def frames_of(self, session: Session, begin: Begin) -> int:
        """Return the frames that the recording has so far."""
        del begin
        return (
            session.recording.checkpoint.pcm_bytes
            // session.recording.manifest.pcm_format.frame_bytes
        )
