"""One node of the takeover model, and the history that all nodes must agree on."""

import asyncio
import contextlib
import hashlib
from pathlib import Path
from unittest import mock
from uuid import UUID

import msgspec

from storage import wav
from storage.checkpoint import Checkpoint
from storage.errors import FencedError, StorageError
from storage.recording_state import RecordingState
from storage.s3 import BucketSettings, LeaseSettings, S3Storage, UploadSettings
from storage.s3.keys import SessionKeys, segment_sequence
from storage.s3.ownership.lease import Owner
from storage.s3.writing.recording import S3Recording
from storage.s3.writing.segment import SEGMENT_HEADER_BYTES
from tests.audio import dat
from tests.conftest import ManualClock
from tests.storage.conftest import new_manifest
from tests.storage.s3.scripted_bucket import Objects, ScriptedBucket

LEASE_SECONDS = 3600.0
_PART_BYTES = 128
_CHUNK_REPEATS = 32  # three chunks are longer than a part


class History:
    """The audio that any node has reported as persisted, compared with the stored audio."""

    def __init__(self, objects: Objects, session_id: UUID) -> None:
        self.keys = SessionKeys(session_id)
        self._objects = objects
        self._promised = b""
        self._chunks = 0

    def new_chunk(self) -> bytes:
        """Return a chunk that differs from all earlier ones."""
        self._chunks += 1
        return self._chunks.to_bytes(2, "little") * _CHUNK_REPEATS

    def must_hold(self, persisted: bytes) -> None:
        shorter = min(len(persisted), len(self._promised))
        assert persisted[:shorter] == self._promised[:shorter], "two histories"
        self._promised = max(persisted, self._promised, key=len)
        assert self.stored().startswith(self._promised), "persisted audio is not stored"

    @property
    def is_complete(self) -> bool:
        manifest = self._objects.stored[self.keys.manifest][0]
        return bool(msgspec.json.decode(manifest)["status"] == "completed")

    def must_be_complete(self) -> None:
        manifest = msgspec.json.decode(self._objects.stored[self.keys.manifest][0])
        audio = self._objects.stored[self.keys.audio][0]
        pcm = audio[wav.HEADER_BYTES :]
        assert manifest["status"] == "completed"
        assert manifest["size_bytes"] == len(audio)
        assert manifest["sha256"] in {None, hashlib.sha256(pcm).hexdigest()}
        assert pcm.startswith(self._promised)
        if stored := self._objects.stored.get(self.keys.peaks):
            assert stored[0] == dat(pcm, sample_rate=16000)

    def stored(self) -> bytes:
        if self.keys.audio in self._objects.stored:
            return self._objects.stored[self.keys.audio][0][wav.HEADER_BYTES :]
        segments = sorted(
            self._objects.list(self.keys.segments), key=lambda key: segment_sequence(key) or 0
        )
        bodies = [self._objects.stored[key][0] for key in segments]
        return b"".join(body[SEGMENT_HEADER_BYTES:] for body in bodies)

    def is_of(self, node_id: str, epochs: range) -> bool:
        """Return whether no other node owned any of these epochs."""
        found = [self._objects.stored.get(self.keys.epoch(epoch)) for epoch in epochs]
        owners = {msgspec.json.decode(each[0], type=Owner).node_id for each in found if each}
        return owners <= {node_id}


class Node:
    """One process with its storage, and its view of the session."""

    history: History

    def __init__(self, objects: Objects, folder: Path, clock: ManualClock) -> None:
        self._place = objects, folder, clock
        self._clock = clock
        bucket = BucketSettings(bucket="model")
        self.bucket = ScriptedBucket(objects, bucket)
        with mock.patch("storage.s3.storage.Bucket", return_value=self.bucket):
            self.storage = S3Storage(
                bucket,
                folder,
                UploadSettings(segment_seconds=LEASE_SECONDS, part_bytes=_PART_BYTES),
                LeaseSettings(
                    address=f"http://{folder.name}",
                    lease_seconds=LEASE_SECONDS,
                    now=clock.now,
                    monotonic=clock.monotonic,
                ),
                is_store_checked=True,
            )
        self.recording: S3Recording | None = None
        self.heard = b""  # the audio that this node considers recorded
        self.left = 0, b""  # epoch and audio at the last release
        self.task: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        return self.task is None or self.task.done()

    def must_agree(self) -> None:
        """Check the persisted audio of this node against that of all nodes."""
        if self.recording is not None:
            self.history.must_hold(self.heard[: self.recording.persisted.pcm_bytes])
        if self.task is not None and self.task.done() and not self.task.cancelled():
            self.task.result()

    async def create(self) -> None:
        was_instant, self.bucket.is_instant = self.bucket.is_instant, True
        manifest = new_manifest(session_id=str(self.history.keys.session_id))
        self.recording, self.heard = await self.storage.create(manifest), b""
        self.bucket.is_instant = was_instant

    def append(self) -> None:
        if self.recording is None:
            return
        chunk, last = self.history.new_chunk(), self.recording.checkpoint
        try:
            self.recording.append(
                chunk, Checkpoint(last.chunk_count + 1, last.pcm_bytes + len(chunk))
            )
        except StorageError:
            return
        self.heard += chunk

    async def ship(self) -> None:
        if self.recording is None:
            return
        try:
            await self.recording.upload()
        except FencedError:
            await self.release()
        except StorageError:
            return  # a later step retries

    async def take_over(self) -> None:
        if self.recording is not None:
            return
        try:
            manifest = await self.storage.manifest(self.history.keys.session_id)
            recording = await self.storage.open(manifest)
        except StorageError:
            return
        self.heard = self._content(recording)
        self.recording = recording
        epoch, left = self.left
        if self.history.is_of(self.storage._node.node_id, range(epoch + 1, recording._lease.epoch)):
            assert self.heard.startswith(left), "acknowledged audio is lost"

    async def complete(self) -> None:
        if self.recording is None:
            return
        try:
            await self.recording.complete(self._clock.now())
        except StorageError:
            await self.release()
            return
        self.history.must_hold(self.heard)
        self.recording = None

    async def release(self) -> None:
        if self.recording is None:
            return
        recording = self.recording
        is_fenced = recording.state is RecordingState.FENCED
        self.recording, self.left = None, (recording._lease.epoch, self.heard)
        asked = len(self.bucket.written)
        await recording.release()
        written = [key for key in self.bucket.written[asked:] if key.startswith(self._folder)]
        assert not is_fenced or not written, "a fenced node wrote"

    async def renew(self) -> None:
        with contextlib.suppress(StorageError):
            await self.storage._node._renew()

    async def look(self) -> None:
        """List the nodes at once, unless a listing is in flight."""
        peers = self.storage._node.peers
        if not peers._listing.locked():
            was_instant, self.bucket.is_instant = self.bucket.is_instant, True
            await peers.refresh()
            self.bucket.is_instant = was_instant

    async def die(self) -> "Node":
        """Die as after ``kill -9``; return the next process on the same folder."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        if self.recording is not None:
            self.left = self.recording._lease.epoch, self.heard
            self.recording.abandon()
        await self.storage._node.abandon()
        successor = Node(*self._place)
        successor.history, successor.left = self.history, self.left
        for request in self.bucket.in_flight:
            if request.is_waited_for:
                request.fail()
        await successor.storage.start()
        successor.bucket.in_flight = self.bucket.in_flight
        successor.bucket.is_instant = False
        return successor

    @property
    def _folder(self) -> str:
        return self.history.keys.folder

    def _content(self, recording: S3Recording) -> bytes:
        """Return the audio of the spool; the freed range comes from the store."""
        pcm_bytes = recording.checkpoint.pcm_bytes
        pcm = recording.spool.read(0, pcm_bytes) if pcm_bytes else b""
        start, stop = recording.spool._hole
        return pcm[:start] + self.history.stored()[start : min(stop, pcm_bytes)] + pcm[stop:]
