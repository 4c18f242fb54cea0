"""What every storage backend promises.

A :class:`Storage` creates, opens, lists and deletes recordings and keeps their
manifests. A :class:`Recording` is the growing audio of one active session: it
appends PCM, says what is persisted, and completes. `tests/storage/test_conformance.py`
runs every promise below on every backend.

Two grades of safety, and the words for them:

*written*
    The bytes were handed to the operating system. They survive the death of
    this process (``kill -9`` included), not that of the machine.
*persisted*
    The bytes are in storage. They survive the loss of the node.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

import msgspec

from storage.checkpoint import Checkpoint
from storage.details import DetailChanges
from storage.errors import FencedError, SyncFailedError
from storage.filters import ALL, Filters
from storage.manifest import Manifest
from storage.outbox import Outbox
from storage.pcm import Buffer
from storage.shared_links import SharedLinks
from storage.watermark import Unpersisted
from storage.waveform.peaks import Peaks


class Recording(Protocol):
    """The growing audio of one active session, with exactly one writer.

    Appending is synchronous: it hands bytes to the operating system and
    returns in microseconds. Everything that waits is a coroutine.
    """

    @property
    def manifest(self) -> Manifest:
        """Return the manifest as it was when the session was created, with its latest details."""
        ...

    @property
    def checkpoint(self) -> Checkpoint:
        """Return the last checkpoint written."""
        ...

    @property
    def persisted(self) -> Checkpoint:
        """Return the last checkpoint persisted.

        It is never ahead of :attr:`checkpoint` and never goes back.
        """
        ...

    @property
    def unpersisted(self) -> Unpersisted:
        """Return what :attr:`checkpoint` counts and :attr:`persisted` does not."""
        ...

    def watch(self, lost: Callable[[FencedError | SyncFailedError], None]) -> None:
        """Call ``lost`` once if another node takes the session over, or if a sync fails.

        From then on everything raises this error; the recording is to be released. After a
        failed sync :attr:`persisted` stays as it is, and whatever opens the recording again
        continues there.
        """
        ...

    def append(self, pcm: Buffer, checkpoint: Checkpoint) -> None:
        """Write ``pcm`` at the end, then ``checkpoint``, which must count it.

        All or nothing: after :class:`StorageUnavailableError` the recording is as it
        was, and the caller may make the same call again. ``pcm`` is whole frames, or empty if
        :meth:`write_ahead` has written what ``checkpoint`` counts.
        """
        ...

    def write_ahead(self, pcm: Buffer) -> None:
        """Write PCM that the next `append` counts. Until then it is not part of the recording.

        Blocks: call it in a thread, for much PCM. Append nothing else meanwhile.
        Raises :class:`StorageUnavailableError`.
        """
        ...

    def keep_input(self, stream: int, offset: int, data: Buffer) -> None:
        """Write raw input of an open stream at ``offset``, to be read again after a crash.

        It counts as soon as a checkpoint names it. Raises :class:`StorageUnavailableError`.
        """
        ...

    def read_input(self, stream: int) -> AsyncIterator[bytes]:
        """Yield the input of an open stream, or the journal, that :attr:`checkpoint` counts.

        Raises `BadObjectError` if some of it is missing.
        """
        ...

    def drop_input(self, stream: int) -> None:
        """Note that the stream has ended, so that the checkpoint does not name it any more.

        Its input is kept until the recording is completed, for the digest.
        """
        ...

    async def flush(self) -> None:
        """Return when all that was appended before the call is persisted."""
        ...

    async def change(self, changes: DetailChanges) -> None:
        """Change the details in :attr:`manifest`. When this returns, the change is durable.

        Raises :class:`StorageUnavailableError` if the recording is being completed or released.
        """
        ...

    async def require_release(self) -> None:
        """Let earlier releases leave the session alone, from the next `flush` on."""
        ...

    async def complete(self, at: datetime) -> Manifest:
        """Make the file final and set the manifest to ``completed``. Remove everything else.

        Takes the same time for any length, except that a bucket also gets the waveform. The
        caller may call it again after a failure.
        """
        ...

    async def release(self) -> None:
        """Persist as much as possible and give the session up without completing it."""
        ...

    async def audio(self) -> "Audio":
        """Return a snapshot of the audio up to :attr:`checkpoint`, persisted or not."""
        ...

    def abandon(self) -> None:
        """Stop at once, as a crash does: persist nothing more, keep what was written."""
        ...


class Audio(Protocol):
    """A snapshot of a WAV, completed or growing."""

    size_bytes: int
    modified_at: datetime

    @property
    def etag(self) -> str:
        """Return a strong validator (RFC 9110, section 8.8.3), quoted."""
        ...

    def read(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Yield bytes ``start`` to ``stop`` (exclusive) of the file."""
        ...

    async def peaks(self) -> Peaks:
        """Return the waveform of this snapshot.

        Only audio that was not measured while it was recorded is read.
        """
        ...


class Progress(msgspec.Struct, frozen=True):
    """How far an active session got.

    A takeover continues at ``checkpoint``. In a bucket that is what is ``persisted``; on a volume
    it is what is written, which a crash of the process leaves ahead of what is persisted.
    """

    checkpoint: Checkpoint
    persisted: Checkpoint


class Page(msgspec.Struct, frozen=True):
    """Manifests in the order of the list, and the cursor of the next page if there is one.

    ``total``: how many sessions match, where that is cheap; sessions that are just being created
    or deleted may be counted or not.
    """

    manifests: list[Manifest]
    next_cursor: str | None = None
    total: int | None = None


class Link(msgspec.Struct, frozen=True):
    """A URL that opens one file without further permission, until ``expires_at``."""

    url: str
    expires_at: datetime


class AgedSession(msgspec.Struct, frozen=True):
    """A session that is found by its age.

    ``stored_at`` is when the store wrote the audio, by its own clock; None if there is no audio
    yet, or no more. ``has_folder``: a bucket holds segments, epochs or shared links of it.
    """

    session_id: UUID
    stored_at: datetime | None
    has_folder: bool = False


class AgedPage(msgspec.Struct, frozen=True):
    """Sessions, oldest first, and what the clock of the store shows.

    ``store_time`` is None if the store has the clock of this machine.
    """

    sessions: list[AgedSession]
    store_time: datetime | None = None


class ExpiredPage(msgspec.Struct, frozen=True):
    """Completed sessions whose ``expires_at`` has come, and what the clock of the store shows.

    ``store_time`` is None if the store has the clock of this machine.
    """

    sessions: list[tuple[AgedSession, Manifest]]
    store_time: datetime | None = None


Outcome = Literal["pass", "fail", "note"]


class Finding(msgspec.Struct, frozen=True):
    """The result of one check of a store, with advice for the operator."""

    check: str
    outcome: Outcome
    detail: str
    advice: str = ""


class Storage(Protocol):
    """Keeps the recordings and manifests of all sessions.

    Every coroutine may raise :class:`StorageUnavailableError`.
    """

    @property
    def outbox(self) -> Outbox:
        """Return the events that are not yet delivered."""
        ...

    @property
    def shared_links(self) -> SharedLinks:
        """Return the links by which people hear recordings without an account."""
        ...

    async def start(self) -> None:
        """Check that the store can be used and start background work."""
        ...

    async def stop(self) -> None:
        """Stop background work. All recordings must be released, completed or abandoned."""
        ...

    async def check(self) -> None:
        """Write and delete a probe. Raises :class:`StorageUnavailableError`."""
        ...

    async def create(self, manifest: Manifest) -> Recording:
        """Create a recording. When this returns, the session survives a crash."""
        ...

    async def open(self, manifest: Manifest) -> Recording:
        """Take over an active recording whose writer is gone.

        ``manifest`` is what the caller has just read. Audio and checkpoint are those of the last
        chunk that was wholly written. Raises :class:`RecordingNotFoundError` if the session is
        completed or deleted by now, :class:`OwnedElsewhereError` while its writer lives.
        """
        ...

    async def owner(self, manifest: Manifest) -> str | None:
        """Return the address of another living node that writes the session. Change nothing.

        None if no other node writes it: its owner released it or died, or it is completed. A
        worker of this machine has a `storage.worker` address, on a volume as in a bucket. Empty
        if the node cannot be verified, so that its address must not be used.
        """
        ...

    def sibling(self, session_id: UUID) -> str | None:
        """Return the address of the other worker of this machine that writes the session.

        It only tells where a connection belongs: `open` decides who writes. Blocks for
        microseconds.
        """
        ...

    def problems(self) -> list[str]:
        """Return what an operator must change, one text for each problem."""
        ...

    @property
    def node_id(self) -> str:
        """Return the id of this node among those of the bucket; empty on a volume."""
        ...

    @property
    def lease_age_seconds(self) -> float:
        """Return the time since this node renewed its lease; 0 on a volume."""
        ...

    async def active_sessions(self) -> list[UUID]:
        """Return the sessions that are not completed, oldest first."""
        ...

    async def sessions_of_call(self, call_hash: str) -> list[UUID]:
        """Return the active sessions with this `Manifest.call_hash`, newest first.

        Some may have ended meanwhile.
        """
        ...

    async def share(self) -> list[UUID]:
        """Return the active sessions that this worker should take over at its start."""
        ...

    async def abandoned(self) -> list[UUID]:
        """Return the active sessions that the workers of this machine have left.

        Called when they all have started, and whenever one of them has ended.
        """
        ...

    async def orphans(self) -> list[UUID]:
        """Return active sessions of dead nodes. Cheap while no node is dead."""
        ...

    async def progress(self, manifest: Manifest) -> Progress:
        """Return how far an active session got, as far as this process can know."""
        ...

    async def manifest(self, session_id: UUID) -> Manifest:
        """Read the manifest. Raises :class:`RecordingNotFoundError`."""
        ...

    async def manifests(
        self,
        filters: Filters = ALL,
        *,
        limit: int,
        cursor: UUID | None = None,
    ) -> Page:
        """Return up to ``limit`` sessions that match, from after ``cursor`` on.

        A page may have fewer although there are more; the list ends with the page that has no
        `Page.next_cursor`. `Filters.has_warnings` goes by the warnings that `progress` knows of an
        active session.
        """
        ...

    async def change(self, manifest: Manifest, changes: DetailChanges) -> Manifest:
        """Change the details of a completed session; return its manifest with them.

        When this returns, the change is durable. Of changes that several processes make at the
        same time the last one wins, with all its details except the hold: it stays until it is
        lifted, and of a hold and a deletion at the same time one is refused. Raises
        :class:`RecordingNotFoundError` if the session was deleted or its deletion has begun.
        """
        ...

    async def timeline(self, manifest: Manifest) -> bytes:
        """Return the timeline as JSON (`storage.timeline.Timeline`). Take nothing over.

        That of a completed session is the file whose digest is in the receipt.
        """
        ...

    async def audio(self, manifest: Manifest) -> Audio:
        """Return the audio of a session that this process does not write. Take nothing over.

        The final file of a completed session; of an active one, what is persisted, whichever
        node writes it, and on a volume what is written. For a session that this process writes,
        ask :meth:`Recording.audio`.
        Raises :class:`RecordingNotFoundError` if the file is known to be missing.
        """
        ...

    async def is_sweeper(self) -> bool:
        """Return whether it is this process of the service that deletes expired sessions."""
        ...

    def sessions_below(self, session_id: UUID) -> AsyncGenerator[AgedPage, None]:
        """Yield the sessions with a lower id that have a manifest, in one pass, oldest first.

        Reads no manifest. What is deleted meanwhile does not matter.
        """
        ...

    def expired(self, now: datetime) -> AsyncGenerator[ExpiredPage, None]:
        """Yield the completed sessions that expire by themselves and have expired; none held.

        They are found by an index: no other manifest is read than of sessions whose time has come,
        or may have come.
        """
        ...

    async def link(self, manifest: Manifest, ttl_seconds: int, now: datetime) -> Link | None:
        """Return a presigned URL of the finished audio.

        None if the session is active, or the store has no such URLs.
        """
        ...

    async def delete(self, manifest: Manifest) -> None:
        """Remove every object and file of a session that no node writes.

        Raises :class:`OwnedElsewhereError` if another living node writes it, and
        :class:`SessionHeldError` if it has a hold by now, whatever ``manifest`` says.
        """
        ...

    async def delete_completed(
        self, sessions: list[tuple[AgedSession, Manifest]]
    ) -> dict[UUID, Exception]:
        """Remove completed sessions with as few requests as possible.

        Return the errors of those that remain, at least in part; the call can be repeated. A
        session that has a hold by now remains as a whole.
        """
        ...

    async def delete_damaged(self, session_id: UUID) -> None:
        """Remove every object and file of a session whose manifest cannot be read.

        Raises :class:`OwnedElsewhereError` if another living node writes it.
        """
        ...

    def location(self, session_id: UUID) -> str:
        """Return the path or URL of the WAV, for people."""
        ...
