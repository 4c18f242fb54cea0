"""The registry: the sessions that are live in this process, and access to stored ones."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from typing import Literal
from uuid import UUID

import uuid_utils.compat

from api.audio.ffmpeg.launcher import DecoderLauncher
from api.audio.formats import INPUT_KINDS, DecoderLostError
from api.clock import Clock
from api.observe import log_context
from api.observe.metrics import Metrics
from api.observe.tracing import Tracing
from api.session.core import SessionLimits, SessionState
from api.session.disk_reserve import DiskReserve
from api.session.events import NoEvents, SessionEvents
from api.session.found import Found, Live, Stored
from api.session.info import session_info
from api.session.other_workers import NoOtherWorkers, OtherWorkers
from api.session.parameters import AudioParameters
from api.session.session import Cause, Session
from api.session.write_retries import WRITE_BACKOFF
from api.wire.errors import (
    SessionCompletedError,
    SessionNotFoundError,
    TooManySessionsError,
    TooManyUserSessionsError,
)
from api.wire.messages import SessionInfo, SessionPage
from api.workers.limits import Limits as ServiceLimits
from api.workers.limits import Maxima, OwnLimits
from storage.base import AgedSession, Recording, Storage
from storage.details import DetailChanges, Details
from storage.errors import (
    BadObjectError,
    FencedError,
    RecordingNotFoundError,
    SessionHeldError,
    StorageError,
    StorageUnavailableError,
)
from storage.filters import ALL, Filters
from storage.manifest import Manifest
from storage.retry import Backoff
from storage.watermark import Unpersisted

logger = logging.getLogger(__name__)

# Why a session is taken over: this process has started, its node has died, a client needs it.
TakeoverCause = Literal["start", "dead_node", "dead_worker", "client"]

# Sessions that admins may create beyond MAX_CONCURRENT_SESSIONS, to record when all others are
# taken.
_ADMIN_RESERVE = 10

_INFOS_AT_ONCE = 16  # active sessions of a page that are read concurrently

# A takeover that decodes much kept input takes longer; the next process starts it again.
_OPENING_SECONDS = 2.0


class Registry:
    """Creates, finds, lists, closes and deletes sessions."""

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
        self._live: dict[UUID, Session] = {}
        self._live_of: dict[str | None, dict[UUID, Session]] = {}  # the same, by user
        self._creating: dict[UUID, asyncio.Event] = {}  # set when the creation has ended
        self._opening: dict[UUID, asyncio.Task[Session]] = {}
        self._deleting: set[UUID] = set()
        self._is_stopping = False
        self.recovered = asyncio.Event()  # the sessions of the process before are live again

    @property
    def max_sessions(self) -> int:
        return self._max_sessions

    @property
    def live(self) -> list[Session]:
        return list(self._live.values())

    def unpersisted(self) -> Unpersisted:
        """Return the unpersisted audio of all live sessions, and the age of the oldest."""
        waiting = [session.recording.unpersisted for session in self._live.values()]
        return Unpersisted(
            sum(each.pcm_bytes for each in waiting),
            max((each.seconds for each in waiting), default=0.0),
        )

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
            return self._enter(self._session(recording))
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
        unused = self._unused_session(user_id)
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
        return self._stored(await self._manifest(key))

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
            manifest = None  # it has changed; `_take_over` reads it again
        if key in self._deleting:
            raise SessionNotFoundError(str(key))
        if self._is_stopping:
            raise FencedError(str(key))
        task = self._opening.get(key)
        if task is None:
            task = asyncio.create_task(self._take_over(key, manifest, cause), name=f"open-{key}")
            self._opening[key] = task
            task.add_done_callback(lambda _: self._opening.pop(key))
        return await asyncio.shield(task)

    async def page(
        self,
        filters: Filters = ALL,
        *,
        limit: int,
        cursor: UUID | None = None,
    ) -> SessionPage:
        """Return one page of sessions; its cursor is the id of a session."""
        page = await self._storage.manifests(filters, limit=limit, cursor=cursor)
        at_once = asyncio.Semaphore(_INFOS_AT_ONCE)
        elsewhere = await self._live_elsewhere(page.manifests)

        async def info(manifest: Manifest) -> SessionInfo:
            if (found := elsewhere.get(manifest.session_id)) is not None:
                return found
            async with at_once:
                return await self._current_info(manifest)

        infos = await asyncio.gather(*map(info, page.manifests))
        return SessionPage(sessions=infos, next_cursor=page.next_cursor, total=page.total)

    def live_between(self, oldest: UUID, newest: UUID) -> list[SessionInfo]:
        """Return the information about sessions that are live here, for other workers."""
        return [each.info() for key, each in self._live.items() if oldest <= key <= newest]

    async def _live_elsewhere(self, page: list[Manifest]) -> Mapping[str, SessionInfo]:
        """Return the current information about sessions of the page that other workers write."""
        ids = [UUID(each.session_id) for each in page if each.status == "active"]
        ids = [each for each in ids if each not in self._live]
        return await self._other_workers.live_sessions(min(ids), max(ids)) if ids else {}

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

    async def delete(self, found: Found) -> None:
        """Delete everything that is stored of a session; release it first if it is live.

        Raises :class:`SessionNotFoundError`, and `SessionHeldError`; then it goes on.
        """
        key = found.session_id
        self._deleting.add(key)
        try:
            if key in self._opening:
                await asyncio.wait([self._opening[key]])
            info = self._info_at_end(found)
            if info.hold:
                raise SessionHeldError(str(key))
            if key in self._live:
                await self._live[key].delete()
            async with self._events.deleting({str(key): info}):
                await self._storage.delete(found.manifest)
        except RecordingNotFoundError as error:
            raise SessionNotFoundError(str(key)) from error
        finally:
            self._deleting.discard(key)

    async def delete_damaged(self, session_id: str) -> None:
        """Delete everything that is stored of a session whose manifest cannot be read."""
        key = parse_session_id(session_id)
        async with self._events.deleting({str(key): None}):
            await self._storage.delete_damaged(key)

    async def delete_completed(
        self, sessions: list[tuple[AgedSession, Manifest]]
    ) -> dict[UUID, Exception]:
        """Delete completed sessions; return the errors of those that remain, at least in part."""
        infos = {
            manifest.session_id: session_info(manifest, location=self._location(found.session_id))
            for found, manifest in sessions
        }
        async with self._events.deleting(infos):
            return await self._storage.delete_completed(sessions)

    async def shutdown(self) -> None:
        """Persist and release every live session, so that another process can take it over."""
        self._is_stopping = True
        if opening := list(self._opening.values()):
            await asyncio.wait(opening, timeout=_OPENING_SECONDS)
            for task in opening:
                task.cancel()
            await asyncio.gather(*opening, return_exceptions=True)
        await asyncio.gather(*(session.release() for session in self.live), return_exceptions=True)

    def _unused_session(self, user_id: str) -> Session | None:
        """Return the oldest session that the user has created and not used."""
        unused = (each for each in self._live_of.get(user_id, {}).values() if each.is_unused())
        return min(unused, key=lambda each: each.session_id, default=None)

    async def _take_over(
        self, key: UUID, manifest: Manifest | None, cause: TakeoverCause
    ) -> Session:
        log_context.session_id.set(str(key))
        with self._tracing.span("take over session", str(key)):
            session = await self._restored(key, manifest)
        self._metrics.takeovers.add(cause)
        logger.info("%s: session taken over: chunk_count=%d", key, session.counts().chunk_count)
        self._events.taken_over(str(key))
        # The process before may have died before it could announce them.
        for code in {warning.code for warning in session.warnings.first}:
            self._events.warned(str(key), code)
        return self._enter(session)

    async def _restored(self, key: UUID, manifest: Manifest | None) -> Session:
        manifest = manifest or await self._manifest(key)
        if manifest.status != "active":
            raise SessionCompletedError(str(key))
        if manifest.format not in INPUT_KINDS:
            raise BadObjectError(f"{key}: the manifest has the unknown format {manifest.format!r}")
        try:
            recording = await self._storage.open(manifest)
        except RecordingNotFoundError as error:
            if (await self._manifest(key)).status == "active":
                raise StorageUnavailableError(
                    f"{key}: the session is active, but an object of its recording is missing"
                ) from error
            raise SessionCompletedError(str(key)) from error
        session = self._session(recording)
        try:
            await session.restore()
        except BaseException:
            await session.release()
            raise
        return session

    def _session(self, recording: Recording) -> Session:
        return Session(
            recording,
            location=self._location(UUID(recording.manifest.session_id)),
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

    def _enter(self, session: Session) -> Session:
        self._live[session.session_id] = session
        manifest = session.recording.manifest
        self._service_limits.hold(manifest.session_id, manifest.user_id)
        user_id = session.recording.manifest.user_id
        self._live_of.setdefault(user_id, {})[session.session_id] = session
        return session

    def _leave(self, session: Session) -> None:
        if self._live.pop(session.session_id, None) is not None:
            self._service_limits.release(str(session.session_id))
        user_id = session.recording.manifest.user_id
        of_user = self._live_of.get(user_id, {})
        of_user.pop(session.session_id, None)
        if not of_user:
            self._live_of.pop(user_id, None)

    async def _manifest(self, key: UUID) -> Manifest:
        try:
            return await self._storage.manifest(key)
        except RecordingNotFoundError as error:
            raise SessionNotFoundError(str(key)) from error

    def _info_at_end(self, found: Found) -> SessionInfo:
        """Return what is known of a session that is to be deleted, without a read."""
        session = self._live.get(found.session_id)
        if session is not None:
            return session.info()
        return session_info(found.manifest, location=self._location(found.session_id))

    def _location(self, key: UUID) -> str:
        return self._storage.location(key)

    async def _current_info(self, manifest: Manifest) -> SessionInfo:
        session = self._live.get(UUID(manifest.session_id))
        found = self._stored(manifest) if session is None else Live(session)
        try:
            return await found.info()
        except StorageError as error:  # one bad session must not hide the others
            logger.warning(
                "%s: failed to read the progress, listed without counts: error=%s",
                manifest.session_id,
                error,
            )
            return session_info(manifest, location=self._location(found.session_id))

    def _stored(self, manifest: Manifest) -> Stored:
        return Stored(manifest, self._storage, self._clock)


def parse_session_id(session_id: str) -> UUID:
    """Return the UUID. Raises :class:`SessionNotFoundError` unless it is in canonical form."""
    if not is_session_id(session_id):
        raise SessionNotFoundError(session_id)
    return UUID(session_id)


def canonical_id(text: str) -> str:
    """Return a session id in lower case; return other text as it is."""
    return text.lower() if is_session_id(text) else text


def is_session_id(text: str) -> bool:
    """Return whether ``text`` is a UUID in canonical form, in upper or lower case."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False
