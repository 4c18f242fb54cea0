"""Limits that hold for a service: how many sessions are active, and how often clients act."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Literal, Protocol

import msgspec

_WINDOW_SECONDS = 60.0

Reached = Literal["service", "user"]


class Maxima(msgspec.Struct, frozen=True):
    """How many sessions may be active: in all, and of one user (0: any number)."""

    sessions: int
    sessions_per_user: int = 0


class Limits(Protocol):
    """What a worker asks before it creates a session or lets a client in."""

    async def claim(self, session_id: str, user_id: str | None, maxima: Maxima) -> Reached | None:
        """Count one more session, or return the limit that it would exceed."""
        ...

    def hold(self, session_id: str, user_id: str | None) -> None:
        """Count a session that exists already, such as one that was taken over."""
        ...

    def release(self, session_id: str) -> None:
        """Stop counting a session: it has ended here, or was not created."""
        ...

    async def allow(self, key: str, per_minute: int) -> bool:
        """Count one act of ``key``; return False if it has acted often enough in this minute."""
        ...


class Counters:
    """The counts of all workers. Pure: no process, no socket, no task."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._sessions: dict[str, tuple[int, str | None]] = {}  # the worker and the user
        self._of_user: Counter[str] = Counter()
        self._acts: dict[str, deque[float]] = {}

    @property
    def session_count(self) -> int:
        return len(self._sessions)

    def claim(
        self, worker: int, session_id: str, user_id: str | None, maxima: Maxima
    ) -> Reached | None:
        """See `Limits.claim`."""
        if len(self._sessions) >= maxima.sessions:
            return "service"
        per_user = maxima.sessions_per_user
        if per_user and user_id is not None and self._of_user[user_id] >= per_user:
            return "user"
        self.hold(worker, session_id, user_id)
        return None

    def hold(self, worker: int, session_id: str, user_id: str | None) -> None:
        """See `Limits.hold`. The last worker counts: the one before may not have noticed yet."""
        self._forget(session_id)
        self._sessions[session_id] = worker, user_id
        if user_id is not None:
            self._of_user[user_id] += 1

    def release(self, worker: int, session_id: str) -> None:
        """See `Limits.release`. Ignored if another worker has the session now."""
        if self._sessions.get(session_id, (None,))[0] == worker:
            self._forget(session_id)

    def drop(self, worker: int) -> None:
        """Stop counting the sessions of a worker that has ended."""
        for session_id in [each for each, held in self._sessions.items() if held[0] == worker]:
            self._forget(session_id)

    def allow(self, key: str, per_minute: int) -> bool:
        """See `Limits.allow`. What is refused does not count."""
        now = self._monotonic()
        acts = self._acts.setdefault(key, deque())
        while acts and now - acts[0] >= _WINDOW_SECONDS:
            acts.popleft()
        if len(acts) >= per_minute:
            return False
        acts.append(now)
        return True

    def remove_expired(self) -> None:
        """Forget keys that have not acted for a minute."""
        now = self._monotonic()
        for key in [k for k, acts in self._acts.items() if now - acts[-1] >= _WINDOW_SECONDS]:
            del self._acts[key]

    def _forget(self, session_id: str) -> None:
        _, user_id = self._sessions.pop(session_id, (None, None))
        if user_id is not None:
            self._of_user -= Counter([user_id])


class OwnLimits:
    """The `Limits` of a service with one process, which counts for itself."""

    def __init__(self, counters: Counters | None = None) -> None:
        self._counters = counters or Counters()

    async def claim(self, session_id: str, user_id: str | None, maxima: Maxima) -> Reached | None:
        return self._counters.claim(0, session_id, user_id, maxima)

    def hold(self, session_id: str, user_id: str | None) -> None:
        self._counters.hold(0, session_id, user_id)

    def release(self, session_id: str) -> None:
        self._counters.release(0, session_id)

    async def allow(self, key: str, per_minute: int) -> bool:
        return self._counters.allow(key, per_minute)

    async def remove_expired(self) -> None:
        """Remove what is expired, every minute, until cancelled."""
        await remove_expired(self._counters)


async def remove_expired(counters: Counters, every_seconds: float = _WINDOW_SECONDS) -> None:
    """Remove expired counts until cancelled."""
    while True:
        await asyncio.sleep(every_seconds)
        counters.remove_expired()
