"""The sessions that are live in this process, by id and by user."""

from collections.abc import Iterator
from uuid import UUID

from api.session.session import Session
from storage.watermark import Unpersisted


class LiveSessions:
    """A session is live from its creation or takeover until it is completed or released."""

    def __init__(self) -> None:
        self._sessions: dict[UUID, Session] = {}
        self._of_user: dict[str | None, dict[UUID, Session]] = {}  # the same

    def __contains__(self, key: UUID) -> bool:
        return key in self._sessions

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._sessions.values()))

    def get(self, key: UUID) -> Session | None:
        return self._sessions.get(key)

    def add(self, session: Session) -> None:
        key, user_id = session.session_id, session.recording.manifest.user_id
        self._sessions[key] = session
        self._of_user.setdefault(user_id, {})[key] = session

    def remove(self, session: Session) -> bool:
        """Remove a session. Return False if it was not live."""
        key, user_id = session.session_id, session.recording.manifest.user_id
        of_user = self._of_user.get(user_id, {})
        of_user.pop(key, None)
        if not of_user:
            self._of_user.pop(user_id, None)
        return self._sessions.pop(key, None) is not None

    def between(self, oldest: UUID, newest: UUID) -> list[Session]:
        """Return the sessions with ids from ``oldest`` to ``newest``."""
        return [each for key, each in self._sessions.items() if oldest <= key <= newest]

    def unused_of(self, user_id: str) -> Session | None:
        """Return the oldest session that the user has created and not used."""
        unused = (each for each in self._of_user.get(user_id, {}).values() if each.is_unused())
        return min(unused, key=lambda each: each.session_id, default=None)

    def unpersisted(self) -> Unpersisted:
        """Return the unpersisted audio of all sessions, and the age of the oldest."""
        waiting = [session.recording.unpersisted for session in self._sessions.values()]
        return Unpersisted(
            sum(each.pcm_bytes for each in waiting),
            max((each.seconds for each in waiting), default=0.0),
        )
