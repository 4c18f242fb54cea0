"""What a storage offers to commands that copy completed sessions out of it and into it.

An archive is no node and takes nothing over: it may be used beside the service on the same
storage. It reads completed sessions, and adds them in the order in which the backend's own writer
makes them: the audio, what is derived from it, the index, the manifest last. So the storage shows a
session only when all of it is there, and a copy that was interrupted can be made again.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar
from uuid import UUID

from storage.details import DetailChanges
from storage.manifest import Manifest
from storage.outbox import OutboxEntries


class Derived(NamedTuple):
    """The files beside the audio and the manifest of a session, None for a missing one."""

    waveform: bytes | None
    block_digests: bytes | None
    timeline: bytes | None = None


class StoredAudio(Protocol):
    """A whole WAV."""

    @property
    def size_bytes(self) -> int: ...

    @property
    def etag(self) -> str | None:
        """Return the ETag of the store, None if it has none."""
        ...

    def read(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Yield bytes ``start`` to ``stop`` (exclusive)."""
        ...


Audio = TypeVar("Audio", bound=StoredAudio)


class Archive(Protocol[Audio]):
    """The completed sessions of one storage.

    Every coroutine may raise `StorageUnavailableError`.
    """

    @property
    def name(self) -> str:
        """Return where the storage is, for people. Two archives of one name are the same."""
        ...

    @property
    def outbox(self) -> OutboxEntries: ...

    def session_ids(self) -> AsyncGenerator[list[UUID], None]:
        """Yield the sessions that have a manifest, oldest first, in pages."""
        ...

    async def manifest(self, session_id: UUID) -> Manifest:
        """Read a manifest. Raises `RecordingNotFoundError` and `BadObjectError`."""
        ...

    async def audio(self, manifest: Manifest) -> Audio:
        """Return the audio of a completed session.

        Raises `RecordingNotFoundError`, and `BadObjectError` if it has not the length that the
        manifest says.
        """
        ...

    async def derived(self, manifest: Manifest) -> Derived:
        """Return the files that are derived from the audio."""
        ...

    async def put_audio(self, manifest: Manifest, audio: AsyncIterator[bytes]) -> Audio:
        """Write the audio of a session that is to be added; return it, to be read back.

        It takes memory for one part of an upload. Pass the result to `add` or `discard`.
        """
        ...

    async def add(self, manifest: Manifest, audio: Audio, derived: Derived) -> None:
        """Make the session visible, with audio of `put_audio`."""
        ...

    async def change(self, manifest: Manifest, changes: DetailChanges) -> None:
        """Change the details of a completed session, as `storage.base.Storage.change` does."""
        ...

    async def discard(self, manifest: Manifest, audio: Audio) -> None:
        """Remove audio of `put_audio` whose session is not added."""
        ...


AnyArchive: TypeAlias = Archive[Any]  # what `put_audio` returns goes back to the same archive
