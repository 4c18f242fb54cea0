"""The sessions that are live in this process, and the way to all others."""

import asyncio
import contextlib
import logging
import random
from uuid import UUID

import uuid_utils.compat

from api.audio.ffmpeg.launcher import DecoderLauncher
from api.clock import Clock
from api.session.core import SessionLimits, SessionState
from api.session.info import session_info
from api.session.parameters import AudioParameters
from api.session.session import Session
from api.wire.errors import (
    InvalidParameterError,
    SessionCompletedError,
    SessionNotFoundError,
    TooManySessionsError,
)
from api.wire.messages import SessionInfo, SessionPage
from storage.base import Audio, Link, Recording, Storage
from storage.errors import FencedError, OwnedElsewhereError, RecordingNotFoundError, StorageError
from storage.manifest import Manifest, Status
from storage.watermark import Unpersisted

logger = logging.getLogger(__name__)


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
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._max_sessions = max_sessions
        self._limits = limits
        self._launcher = launcher
        self._live: dict[UUID, Session] = {}
        self._opening: dict[UUID, asyncio.Task[Session]] = {}
        self._deleting: set[UUID] = set()
        self._creating = 0

    @property
    def live(self) -> list[Session]:
        return list(self._live.values())

    def unpersisted(self) -> Unpersisted:
        """Of all live sessions: the sum of their audio, and the longest wait."""
        waiting = [session.recording.unpersisted for session in self._live.values()]
        return Unpersisted(
            sum(each.pcm_bytes for each in waiting),
            max((each.seconds for each in waiting), default=0.0),
        )

    async def create(self, parameters: AudioParameters, user_id: str | None) -> Session:
        """Begin a session. Raises :class:`TooManySessionsError`."""
        if len(self._live) + self._creating >= self._max_sessions:
            raise TooManySessionsError(self._max_sessions)
        manifest = Manifest(
            session_id=str(uuid_utils.compat.uuid7()),
            user_id=user_id,
            sample_rate=parameters.sample_rate,
            channels=parameters.channels,
            format=parameters.format,
            created_at=self._clock.now(),
        )
        self._creating += 1
        try:
            recording = await self._storage.create(manifest)
        finally:
            self._creating -= 1
        return self._enter(self._session(recording))

    async def open(self, session_id: str) -> Session:
        """The active session of this id, taken up from storage if it is not live here.

        Raises :class:`SessionNotFoundError` or :class:`SessionCompletedError`.
        """
        key = parse_session_id(session_id)
        while (session := self._live.get(key)) is not None:
            if session.state is SessionState.ACTIVE:
                return session
            await session.gone.wait()
        if key in self._deleting:
            raise SessionNotFoundError(session_id)
        task = self._opening.get(key)
        if task is None:
            task = asyncio.create_task(self._take_up(key), name=f"open-{key}")
            self._opening[key] = task
            task.add_done_callback(lambda _: self._opening.pop(key))
        return await asyncio.shield(task)

    async def find(self, session_id: str) -> Session | None:
        """The same; None if it is completed."""
        try:
            return await self.open(session_id)
        except SessionCompletedError:
            await self._manifest(parse_session_id(session_id))
            return None

    async def info(self, session_id: str) -> SessionInfo:
        """The session as it is now. Raises :class:`SessionNotFoundError`."""
        key = parse_session_id(session_id)
        if (session := self._live.get(key)) is not None:
            return session.info()
        try:
            # The manifest of an active session stands still; how far it got, its recording knows.
            return (await self.open(session_id)).info()
        except SessionCompletedError:
            return self._stored_info(await self._manifest(key))

    async def owner(self, session_id: str) -> str | None:
        """Whose session it is. Raises :class:`SessionNotFoundError`."""
        key = parse_session_id(session_id)
        if (session := self._live.get(key)) is not None:
            return session.recording.manifest.user_id
        return (await self._manifest(key)).user_id

    async def audio(self, session_id: str) -> Audio:
        """The session's audio as it is now. Raises :class:`SessionNotFoundError`."""
        key = parse_session_id(session_id)
        try:
            if (session := self._live.get(key)) is not None:
                return await session.recording.audio()
            manifest = await self._storage.manifest(key)
            # Only the owner has what is not persisted: the request is relayed to it.
            if (address := await self._storage.owner(manifest)) is not None:
                raise OwnedElsewhereError(session_id, address)
            return await self._storage.audio(manifest)
        except RecordingNotFoundError as error:
            raise SessionNotFoundError(session_id) from error

    async def link(self, session_id: str, ttl_seconds: int) -> Link | None:
        """The store's own link to finished audio, if it makes any.

        Raises :class:`SessionNotFoundError`.
        """
        manifest = await self._manifest(parse_session_id(session_id))
        return await self._storage.link(manifest, ttl_seconds, self._clock.now())

    async def page(
        self, *, status: Status | None, user_id: str | None, limit: int, cursor: str | None
    ) -> SessionPage:
        """Sessions, newest first. Raises :class:`InvalidParameterError` for a bad cursor."""
        if cursor is not None and not is_session_id(cursor):
            raise InvalidParameterError("cursor")
        page = await self._storage.manifests(
            status=status, user_id=user_id, limit=limit, cursor=cursor
        )
        return SessionPage(
            sessions=[await self._current_info(manifest) for manifest in page.manifests],
            next_cursor=page.next_cursor,
        )

    async def close(self, session_id: str) -> SessionInfo:
        """Complete a session; one that is completed stays so."""
        with contextlib.suppress(SessionCompletedError):
            while True:
                # None: it was being released, after a failure, and is opened again.
                if (info := await (await self.open(session_id)).close()) is not None:
                    return info
        return await self.info(session_id)

    async def delete(self, session_id: str) -> None:
        """Remove every trace of a session, ending it first if it is live."""
        key = parse_session_id(session_id)
        self._deleting.add(key)
        try:
            if key in self._opening:
                await asyncio.wait([self._opening[key]])
            if key in self._live:
                await self._live[key].delete()
            await self._storage.delete(await self._manifest(key))
        finally:
            self._deleting.discard(key)

    async def recover(self) -> None:
        """Take up every session that was active when the last process ended, and nobody has now."""
        await self._adopt(await self._storage.active_sessions())

    async def adopt_for_ever(self, interval_seconds: float) -> None:
        """Take up what other nodes leave behind when they die."""
        while True:
            # Not all nodes at once: then they share what there is.
            await asyncio.sleep(interval_seconds * random.uniform(0.5, 1))  # noqa: S311
            try:
                await self._adopt(await self._storage.orphans())
            except StorageError as error:
                logger.warning("the other nodes could not be looked at: %s", error)

    async def _adopt(self, keys: list[UUID]) -> None:
        for key in keys:
            try:
                await self.open(str(key))
            except (SessionCompletedError, SessionNotFoundError, OwnedElsewhereError, FencedError):
                continue  # ended meanwhile, or another node was faster
            except StorageError:
                logger.exception("%s could not be taken up; it is tried again when asked for", key)

    async def shutdown(self) -> None:
        """Let go of every session, persisted, to be taken up by the next process."""
        await asyncio.gather(*self._opening.values(), return_exceptions=True)
        await asyncio.gather(*(session.release() for session in self.live), return_exceptions=True)

    async def _take_up(self, key: UUID) -> Session:
        manifest = await self._manifest(key)
        if manifest.status != "active":
            raise SessionCompletedError(str(key))
        try:
            recording = await self._storage.open(manifest)
        except RecordingNotFoundError as error:
            if (await self._manifest(key)).status == "completed":  # while it was being taken up
                raise SessionCompletedError(str(key)) from error
            raise SessionNotFoundError(str(key)) from error
        session = self._session(recording)
        try:
            await session.restore()
        except BaseException:
            await session.release()
            raise
        logger.info("%s taken up at chunk %d", key, session.counts().chunk_count)
        return self._enter(session)

    def _session(self, recording: Recording) -> Session:
        return Session(
            recording,
            location=self._storage.location(UUID(recording.manifest.session_id)),
            limits=self._limits,
            launcher=self._launcher,
            clock=self._clock,
            gone=self._leave,
        )

    def _enter(self, session: Session) -> Session:
        self._live[session.session_id] = session
        return session

    def _leave(self, session: Session) -> None:
        self._live.pop(session.session_id, None)

    async def _manifest(self, key: UUID) -> Manifest:
        try:
            return await self._storage.manifest(key)
        except RecordingNotFoundError as error:
            raise SessionNotFoundError(str(key)) from error

    async def _current_info(self, manifest: Manifest) -> SessionInfo:
        if manifest.status == "active":
            try:
                return await self.info(manifest.session_id)
            except (OwnedElsewhereError, FencedError):
                progress = await self._storage.progress(manifest)
                return self._stored_info(manifest.advanced_to(progress))
            except (SessionNotFoundError, StorageError):
                pass  # ended meanwhile
        return self._stored_info(manifest)

    def _stored_info(self, manifest: Manifest) -> SessionInfo:
        return session_info(manifest, location=self._storage.location(UUID(manifest.session_id)))


def parse_session_id(session_id: str) -> UUID:
    """A session id in its one spelling. Anything else is a session that does not exist."""
    if not is_session_id(session_id):
        raise SessionNotFoundError(session_id)
    return UUID(session_id)


def is_session_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False
