"""One bad object harms one session, on every backend: each kind of object, and foreign names."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Protocol
from uuid import UUID

import pytest

from storage.base import Storage
from storage.errors import BadObjectError, StorageError
from storage.filters import Filters
from storage.manifest import Manifest
from storage.s3 import keys
from tests import engines
from tests.audio import pcm
from tests.parameters import long_except_first
from tests.storage.conftest import new_manifest
from tests.storage.test_conformance import LATER, append, content

AUDIO = pcm(500)


class Place(Protocol):
    """What a storage has written, seen past the storage."""

    def names(self) -> list[str]: ...
    def read(self, name: str) -> bytes: ...
    def write(self, name: str, data: bytes) -> None: ...


class Folder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        return [str(path.relative_to(self._folder)) for path in self._folder.rglob("*")]

    def read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        """Write a file; a folder if the name ends with a slash."""
        path = self._folder / name
        if name.endswith("/"):
            path.unlink(missing_ok=True)
            path.mkdir()
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)


class Prefix:
    def __init__(self, url: str, prefix: str) -> None:
        self._url, self._prefix = url, prefix
        self._client = engines.client(url)

    def names(self) -> list[str]:
        return list(engines.objects(self._url, self._prefix))

    def read(self, name: str) -> bytes:
        found = self._client.get_object(Bucket=engines.BUCKET, Key=self._prefix + name)
        return bytes(found["Body"].read())

    def write(self, name: str, data: bytes) -> None:
        """Write an object; the metadata of one that exists stay."""
        key = {"Bucket": engines.BUCKET, "Key": self._prefix + name}
        metadata = {}
        if name in self.names():
            metadata = self._client.head_object(**key)["Metadata"]
        self._client.put_object(**key, Body=data, Metadata=metadata)

    def damage_metadata(self, name: str, changed: dict[str, str]) -> None:
        key = {"Bucket": engines.BUCKET, "Key": self._prefix + name}
        metadata = self._client.head_object(**key)["Metadata"] | changed
        self._client.put_object(**key, Body=self.read(name), Metadata=metadata)


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    backend = request.node.callspec.params["open_storage"]
    if backend.startswith("local"):
        return Folder(tmp_path / "recordings")
    # boto3 would wait for "100 Continue" before it sends an empty body; SeaweedFS sends none.
    monkeypatch.setenv("BOTO_EXPERIMENTAL__NO_EMPTY_CONTINUE", "true")
    return Prefix(request.getfixturevalue(f"{backend}_url"), f"{request.node.name}/")


class Sessions:
    """A completed and an active session that are whole, and one of each that will not be."""

    def __init__(self, storage: Storage, *manifests: Manifest) -> None:
        self.storage = storage
        self.completed, self.active, self.bad_completed, self.bad_active = manifests

    @classmethod
    async def create(cls, storage: Storage) -> "Sessions":
        """Create them with ``storage``, whose process then dies."""
        await storage.start()
        found = []
        for is_completed in (True, False, True, False):
            recording = await storage.create(new_manifest(user_id="Zoë"))
            append(recording, AUDIO)
            if is_completed:
                found.append(await recording.complete(LATER))
            else:
                await recording.release()
                found.append(recording.manifest)
        await storage.stop()
        return cls(storage, *found)

    @property
    def bad(self) -> tuple[str, str]:
        return self.bad_completed.session_id, self.bad_active.session_id

    async def check_others(self, storage: Storage) -> None:
        """Check that a new process lists, reads and takes over the sessions that are whole."""
        active = await storage.active_sessions()
        assert UUID(self.active.session_id) in active
        for user_id in (None, "Zoë"):
            page = await storage.manifests(Filters(user_id=user_id), limit=10)
            listed = {manifest.session_id for manifest in page.manifests}
            assert {self.completed.session_id, self.active.session_id} <= listed
        page = await storage.manifests(Filters(status="active"), limit=10)
        assert self.active.session_id in {manifest.session_id for manifest in page.manifests}
        assert await storage.orphans() == []
        audio = await storage.audio(self.completed)
        assert (await content(audio))[80:] == AUDIO
        recording = await storage.open(self.active)
        completed = await recording.complete(LATER)
        assert (await content(await storage.audio(completed)))[80:] == AUDIO


Damage = Callable[[bytes], bytes]

DAMAGES: dict[str, Damage] = {
    "empty": lambda _: b"",
    "truncated": lambda data: data[: len(data) // 2],
    "not UTF-8": lambda data: data.replace("ë".encode(), b"\xff"),
    "deep": lambda _: b"[" * 100_000,
    "of another session": lambda data: data.replace(
        json.loads(data)["session_id"].encode(), b"019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"
    ),
    "newer": lambda data: data.replace(b'"version": 1', b'"version": 99'),
}


@pytest.mark.parametrize("damage", long_except_first(DAMAGES.values(), 3), ids=DAMAGES)
async def test_a_damaged_manifest_harms_its_session_only_and_can_be_deleted(
    open_storage: Callable[[], Storage],
    place: Place,
    damage: Damage,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sessions = await Sessions.create(open_storage())
    for session_id in sessions.bad:
        place.write(f"{session_id}.json", damage(place.read(f"{session_id}.json")))
    storage = open_storage()
    await storage.start()
    await sessions.check_others(storage)
    for session_id in sessions.bad:
        assert session_id in caplog.text
        with pytest.raises(BadObjectError):
            await storage.manifest(UUID(session_id))
        await storage.delete_damaged(UUID(session_id))
    await storage.stop()
    ids = [*sessions.bad, *(keys.index_entry(UUID(each)) for each in sessions.bad)]
    assert not [name for name in place.names() if any(each in name for each in ids)]


LOCAL_STRAYS = [
    "x.json", "README.txt", "not-a-uuid.state", ".x.tmp/", ".probe/",
    "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b.json/", "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1c.state",
    "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1d.wav/",
    "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1e.json", "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1e.state/",
    "ffffffff-ffff-ffff-ffff-ffffffffffff.json/", "ffffffff-ffff-ffff-ffff-ffffffffffff.state/",
]  # fmt: skip
BUCKET_STRAYS = [
    "_nodes/", "_nodes/README.txt", "_nodes/019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b",
    "_index/active/", "_index/active/README", "_index/active/019AA1B2-7C3D-7E4F-8A5B-6C7D8E9F0A1B",
    "_index/active/ffffffff-ffff-ffff-ffff-ffffffffffff",
    "_index/active/019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b",
    "_index/time/", "_index/time/notes", "_index/time/00000000-0000-0000-0000-000000000000",
    "_index/user/", "README.txt", "x.json",
]  # fmt: skip


async def test_foreign_names_do_not_stop_the_start_and_hide_no_session(
    open_storage: Callable[[], Storage], place: Place
) -> None:
    sessions = await Sessions.create(open_storage())
    for name in LOCAL_STRAYS if isinstance(place, Folder) else BUCKET_STRAYS:
        place.write(name, b"" if name.endswith("/") else b"hello")
    storage = open_storage()
    await storage.start()
    await storage.check()
    await sessions.check_others(storage)
    await storage.stop()


async def test_a_folder_in_the_place_of_any_file_of_a_session_can_be_deleted(
    open_storage: Callable[[], Storage], place: Place
) -> None:
    sessions = await Sessions.create(open_storage())
    if isinstance(place, Folder):
        bad = sessions.bad_completed.session_id
        for kind in ("json", "dat", "wav"):
            place.write(f"{bad}.{kind}/", b"")
        with pytest.raises(BadObjectError):
            await open_storage().manifest(UUID(bad))
    else:  # the marker of a folder, as consoles make it
        for session_id in sessions.bad:
            for folder in ("segments/", "epochs/", "input/", "input/1/", ""):
                place.write(f"{session_id}/{folder}", b"")
    storage = open_storage()
    await storage.start()
    await sessions.check_others(storage)
    for session_id in sessions.bad:
        await storage.delete_damaged(UUID(session_id))
    await storage.stop()
    assert not [name for name in place.names() if any(each in name for each in sessions.bad)]


@pytest.mark.parametrize(
    "data", long_except_first([b"not json", b"", b'{"node_id": "x"}', b"[" * 100_000])
)
async def test_damaged_state_of_an_active_session_harms_only_this_session(
    open_storage: Callable[[], Storage], place: Place, data: bytes
) -> None:
    sessions = await Sessions.create(open_storage())
    bad = sessions.bad_active.session_id
    for name in place.names():
        if name.startswith((f".active/{bad}.state/", f"{bad}/epochs/")):
            place.write(name, data)
    if isinstance(place, Prefix):
        place.write(f"{bad}/epochs/README", data)
    storage = open_storage()
    await storage.start()
    await sessions.check_others(storage)
    recording = await storage.open(sessions.bad_active)
    completed = await recording.complete(LATER)
    assert (await content(await storage.audio(completed)))[80:] == AUDIO
    await storage.delete(completed)
    await storage.stop()


@pytest.mark.parametrize(
    "changed",
    [
        {"checkpoint": "%%%"},
        {"checkpoint": "AAAA"},
        {"epoch": "one"},
        {"completed-at": "yesterday"},
    ],
)
async def test_a_segment_with_damaged_metadata_harms_only_its_session(
    open_storage: Callable[[], Storage], place: Place, changed: dict[str, str]
) -> None:
    if not isinstance(place, Prefix):
        return  # a folder has no segments
    sessions = await Sessions.create(open_storage())
    bad = sessions.bad_active.session_id
    last = max(name for name in place.names() if name.startswith(f"{bad}/segments/"))
    place.damage_metadata(last, changed)
    storage = open_storage()
    await storage.start()
    await sessions.check_others(storage)
    for read in (storage.progress, storage.open):
        with pytest.raises(BadObjectError, match=bad):
            await read(sessions.bad_active)
    await storage.delete(sessions.bad_active)
    await storage.stop()
    assert not [name for name in place.names() if bad in name]


@pytest.mark.parametrize("name", ["00000000.wav", "00000009.wav"], ids=["truncated", "gap"])
async def test_a_segment_that_is_no_segment_harms_only_its_session(
    open_storage: Callable[[], Storage], place: Place, name: str
) -> None:
    if not isinstance(place, Prefix):
        return
    sessions = await Sessions.create(open_storage())
    place.write(f"{sessions.bad_active.session_id}/segments/{name}", b"RIFF")
    storage = open_storage()
    await storage.start()
    await sessions.check_others(storage)
    with pytest.raises(StorageError, match=sessions.bad_active.session_id):
        await storage.open(sessions.bad_active)
    await storage.delete(sessions.bad_active)
    await storage.stop()
