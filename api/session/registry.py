"""The registry: the sessions that are live in this process, and access to stored ones."""

import asyncio
import contextlib
import logging
from uuid import UUID

import uuid_utils.compat

from api.audio.ffmpeg.launcher import DecoderLauncher
from api.audio.formats import DecoderLostError
from api.clock import Clock
from api.observe.metrics import Metrics
from api.observe.tracing import Tracing
from api.session.core import SessionLimits, SessionState
from api.session.deletions import Deletions
from api.session.disk_reserve import DiskReserve
from api.session.events import NoEvents, SessionEvents
from api.session.found import Found, Live, Stored, read_manifest
from api.session.live_sessions import LiveSessions
from api.session.other_workers import NoOtherWorkers, OtherWorkers
from api.session.pages import Pages
from api.session.parameters import AudioParameters
from api.session.session import Cause, Session
from api.session.session_ids import parse_session_id
from api.session.takeovers import TakeoverCause, Takeovers
from api.session.write_retries import WRITE_BACKOFF
from api.wire.errors import (
    SessionCompletedError,
    SessionNotFoundError,
    TooManySessionsError,
    TooManyUserSessionsError,
)
from api.wire.messages import SessionInfo
from api.workers.limits import Limits as ServiceLimits
from api.workers.limits import Maxima, OwnLimits
from storage.base import Recording, Storage
from storage.details import DetailChanges, Details
from storage.errors import (
    BadObjectError,
    FencedError,
)
from storage.manifest import Manifest
from storage.retry import Backoff
from storage.watermark import Unpersisted

logger = logging.getLogger(__name__)

# Sessions that admins may create beyond MAX_CONCURRENT_SESSIONS, to record when all others are
# taken.
_ADMIN_RESERVE = 10


class Registry:
    """Creates, finds, opens and closes sessions."""

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        *,
        max_sessions: int,
        limits: SessionLimits,
        launcher: DecoderLauncher,
        max_sessions_per_user: int = 0,
        service_limits: ServiceLimits | None = None,
        other_workers: OtherWorkers | None = None,
        disk: DiskReserve | None = None,
        events: SessionEvents | None = None,
        backoff: Backoff = WRITE_BACKOFF,
        metrics: Metrics | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        """Create an empty registry; ``backoff`` determines the retries of failed writes.

        ``max_sessions_per_user`` 0: no limit. ``service_limits`` counts the sessions, in this
        process if it is None.
        """
        self._other_workers = other_workers or NoOtherWorkers()
        self._storage = storage
        self._clock = clock
        self._max_sessions = max_sessions
        self._max_sessions_per_user = max_sessions_per_user
        self._service_limits = service_limits or OwnLimits()
        self._disk = disk
        self._events = events or NoEvents()
        self._limits = limits
        self._launcher = launcher
        self._backoff = backoff
        self._metrics = metrics or Metrics()
        self._tracing = tracing or Tracing()
        self._live = LiveSessions()
        self._creating: dict[UUID, asyncio.Event] = {}  # set when the creation has ended
        self._is_stopping = False
        self._takeovers = Takeovers(
            storage,
            new_session=self._session,
            entered=self._enter,
            events=self._events,
            metrics=self._metrics,
            tracing=self._tracing,
        )
        self.deletions = Deletions(storage, self._live, self._takeovers, self._events)
        self.pages = Pages(storage, clock, self._live, self._other_workers)
        self.recovered = asyncio.Event()  # the sessions of the process before are live again

    @property
    def max_sessions(self) -> int:
        return self._max_sessions

    @property
    def live(self) -> list[Session]:
        return list(self._live)

    def unpersisted(self) -> Unpersisted:
        """Return the unpersisted audio of all live sessions, and the age of the oldest."""
        return self._live.unpersisted()

    async def create(
        self,
        parameters: AudioParameters,
        user_id: str | None,
        details: Details | None = None,
        *,
        call_hash: str | None = None,
        is_admin: bool = False,
    ) -> Session:
        """Create a session; an admin's may use the reserve. ``call_hash``: see :meth:`of_call`.

        At a limit, a session that the same user has created and not used is completed first.
        Raises :class:`TooManySessionsError`, :class:`TooManyUserSessionsError`, and
        :class:`DiskReserveError`.
        """
        await self.check_disk()
        created_at = self._clock.now()  # first: the id has a time that is not earlier
        session_id = str(uuid_utils.compat.uuid7())
        await self._claim(session_id, user_id, is_admin=is_admin)
        manifest = Manifest(
            session_id=session_id,
            user_id=user_id,
            sample_rate=parameters.sample_rate,
            channels=parameters.channels,
            format=parameters.format,
            call_hash=call_hash,
            created_at=created_at,
        ).with_details(details or Details())
        created = self._creating[UUID(session_id)] = asyncio.Event()
        try:
            async with self._events.creating(manifest.session_id):
                recording = await self._storage.create(manifest)
            self._metrics.sessions_created.add(manifest.format)
            session = self._session(recording)
            self._enter(session)
            return session
        except BaseException:
            self._service_limits.release(session_id)
            raise
        finally:
            del self._creating[UUID(session_id)]
            created.set()

    async def _claim(self, session_id: str, user_id: str | None, *, is_admin: bool) -> None:
        """Count the session, if need be in the place of an unused one of the same user."""
        reserve = _ADMIN_RESERVE if is_admin else 0
        maxima = Maxima(self._max_sessions + reserve, self._max_sessions_per_user)
        while (
            reached := await self._service_limits.claim(session_id, user_id, maxima)
        ) is not None:
            if user_id is not None and (
                await self.complete_unused(user_id)
                or await self._other_workers.complete_unused(user_id)
            ):
                continue
            if reached == "user":
                raise TooManyUserSessionsError(self._max_sessions_per_user)
            raise TooManySessionsError(maxima.sessions)

    async def complete_unused(self, user_id: str) -> bool:
        """Complete the oldest session that the user has created and not used, if there is one."""
        unused = self._live.unused_of(user_id)
        if unused is None:
            return False
        logger.info("%s: unused session gives way to a new one", unused.session_id)
        await self.close(Live(unused), "unused")
        return True

    async def check_disk(self) -> None:
        """Raise :class:`DiskReserveError` if the volume has no room for a new session."""
        if self._disk is not None:
            await self._disk.check()

    async def lookup(self, session_id: str) -> Found:
        """Return the session. Reads its manifest once, unless the session is live here.

        Raises :class:`SessionNotFoundError`.
        """
        key = parse_session_id(session_id)
        if (session := self._live.get(key)) is not None:
            return Live(session)
        return self._stored(await read_manifest(self._storage, key))

    async def of_call(self, call_hash: str) -> list[Found]:
        """Return the active sessions that were created with the ``call_hash``, newest first."""
        sessions = []
        for session_id in await self._storage.sessions_of_call(call_hash):
            try:
                found = await self.lookup(str(session_id))
            except SessionNotFoundError:  # deleted meanwhile, or not created yet
                continue
            except BadObjectError as error:
                logger.warning("%s: left out of its call: error=%s", session_id, error)
                continue
            if found.manifest.status == "active" and found.manifest.call_hash == call_hash:
                sessions.append(found)
        return sessions

    async def open(self, found: Found, cause: TakeoverCause = "client") -> Session:
        """Return the active session; take it over from storage if it is not live here.

        ``cause`` is for the metrics.

        Raises :class:`SessionNotFoundError`, :class:`SessionCompletedError`,
        `OwnedElsewhereError` if another live node owns it, and `FencedError` after `shutdown`.
        """
        key = found.session_id
        manifest = found.manifest if isinstance(found, Stored) else None
        if (created := self._creating.get(key)) is not None:  # its manifest is there already
            await created.wait()
        while (session := self._live.get(key)) is not None:
            if session.state is SessionState.ACTIVE:
                return session
            await session.gone.wait()
            manifest = None  # it has changed and is read again
        if key in self.deletions:
            raise SessionNotFoundError(str(key))
        if self._is_stopping:
            raise FencedError(str(key))
        return await self._takeovers.take_over(key, manifest, cause)

    async def close(self, found: Found, cause: Cause = "closed") -> SessionInfo:
        """Complete a session; return its final information. Idempotent.

        ``cause`` is for the metrics.
        """
        if found.manifest.status == "completed":
            return await found.info()
        with contextlib.suppress(SessionCompletedError):
            while True:
                # None, or a lost decoder: the session was released; open it again. The kept input
                # is then decoded once more, and a decoder that is lost again is the input's fault.
                with contextlib.suppress(DecoderLostError):
                    if (info := await (await self.open(found)).close(cause)) is not None:
                        return info
        return await (await self.lookup(str(found.session_id))).info()

    async def change(self, found: Found, changes: DetailChanges) -> SessionInfo:
        """Change the details of a session; return its information with them.

        Raises as `open` does, except :class:`SessionCompletedError`.
        """
        while found.manifest.status == "active":
            try:
                return await (await self.open(found)).change(changes)
            except SessionCompletedError:  # it has ended meanwhile
                found = await self.lookup(str(found.session_id))
        return await self._stored(await self._storage.change(found.manifest, changes)).info()

    async def pause(self, found: Found) -> SessionInfo:
        """Pause a session. Raises as `open` and `Session.pause` do."""
        while True:
            with contextlib.suppress(DecoderLostError):  # as in `close`
                session = await self.open(found)
                await session.pause()
                return session.info()

    async def resume(self, found: Found) -> SessionInfo:
        """End the pause of a session. Raises as :meth:`pause` does."""
        session = await self.open(found)
        await session.resume_recording()
        return session.info()

    async def mark(self, found: Found, label: str) -> SessionInfo:
        """Add a mark to the timeline. Raises as `open` and `Session.mark` do."""
        session = await self.open(found)
        await session.mark(label)
        return session.info()

    async def shutdown(self) -> None:
        """Persist and release every live session, so that another process can take it over."""
        self._is_stopping = True
        await self._takeovers.stop()
        await asyncio.gather(*(session.release() for session in self.live), return_exceptions=True)

    def _session(self, recording: Recording) -> Session:
        return Session(
            recording,
            location=self._storage.location(UUID(recording.manifest.session_id)),
            limits=self._limits,
            launcher=self._launcher,
            clock=self._clock,
            backoff=self._backoff,
            gone=self._leave,
            events=self._events,
            metrics=self._metrics,
            tracing=self._tracing,
            node=self._storage.node_id,
        )

    def _enter(self, session: Session) -> None:
        self._live.add(session)
        manifest = session.recording.manifest
        self._service_limits.hold(manifest.session_id, manifest.user_id)

    def _leave(self, session: Session) -> None:
        if self._live.remove(session):
            self._service_limits.release(str(session.session_id))

    def _stored(self, manifest: Manifest) -> Stored:
        return Stored(manifest, self._storage, self._clock)
