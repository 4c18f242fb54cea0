"""Sessions are copied from any storage to any other, whole or not at all."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from storage.copying import Standing, compare, copy
from storage.errors import BadObjectError, RecordingNotFoundError, StorageUnavailableError
from storage.filters import Filters
from storage.local import FolderArchive
from storage.local.archive import AudioFile
from storage.manifest import Manifest
from tests.audio import pcm
from tests.storage.archives import Place, place, record
from tests.storage.conftest import new_manifest
from tests.storage.test_conformance import append, content
from tests.storage.test_shared_links import link

PAIRS = [
    pytest.param(("local", "moto")),
    pytest.param(("seaweedfs", "local")),
    pytest.param(("moto", "local"), marks=pytest.mark.long),
    pytest.param(("moto", "seaweedfs"), marks=pytest.mark.long),
]
LONG = pcm(3_000_000)  # two parts, also of a real store


@pytest.fixture(params=PAIRS, ids="-".join)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Place, Place]:
    source, target = request.param
    return place(source, request, tmp_path / "one"), place(target, request, tmp_path / "other")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Place, Place]:
    return Place(tmp_path / "one"), Place(tmp_path / "other")


async def recorded(source: Place, audio: bytes = b"\1\0" * 500) -> Manifest:
    async with source.storage() as storage:
        return await record(storage, audio)


async def refused(source: Place, target: Place, session_id: str) -> str:
    async with source.archive() as old, target.archive() as new:
        found = await compare(old, new, UUID(session_id))
    assert found.standing is Standing.REFUSED
    return found.reason


async def test_a_copied_session_is_one_of_the_target_as_if_recorded_there(
    pair: tuple[Place, Place],
) -> None:
    source, target = pair
    async with source.storage() as storage:
        manifests = [
            await record(storage, LONG, user_id="alice", channels=2),
            await record(storage, pcm(1234, seed=1), user_id="bob"),
            await record(storage, b""),
        ]
        active = await storage.create(new_manifest())
        append(active, pcm(500))
        await active.release()
    async with source.archive() as old, target.archive() as new:
        ids = [each async for page in old.session_ids() for each in page]
        found = {each: (await compare(old, new, each)).standing for each in ids}
        assert found.pop(UUID(active.manifest.session_id)) is Standing.ACTIVE
        assert list(found.values()) == [Standing.MISSING] * 3
        for each in found:
            await copy(old, new, each)
        assert [(await compare(old, new, each)).standing for each in found] == [
            Standing.PRESENT
        ] * 3
    async with source.storage() as before, target.storage() as after:
        listed = await after.manifests(limit=10)
        assert [each.session_id for each in listed.manifests] == [
            each.session_id for each in reversed(manifests)
        ]
        of_alice = await after.manifests(Filters(user_id="alice"), limit=10)
        assert [each.session_id for each in of_alice.manifests] == [manifests[0].session_id]
        for manifest in listed.manifests:
            audio = await content(await after.audio(manifest))
            assert audio == await content(await before.audio(manifest))
            assert manifest.sha256 == hashlib.sha256(audio[80:]).hexdigest()
            assert (manifest.etag is None) == (target.settings is None)
            one, other = await before.audio(manifest), await after.audio(manifest)
            assert (await one.peaks()).encode() == (await other.peaks()).encode()
        assert await after.active_sessions() == []


async def test_a_source_that_has_not_the_sum_of_its_manifest_is_not_copied(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    source, target = place("moto", request, tmp_path / "one"), Place(tmp_path / "other")
    manifest = await recorded(source)
    async with source.archive() as old, target.archive() as new:
        await old._bucket.put(  # type: ignore[attr-defined]
            f"{manifest.session_id}.wav", b"\0" * manifest.size_bytes
        )
        with pytest.raises(BadObjectError, match="SHA-256"):
            await copy(old, new, UUID(manifest.session_id))
        await old._bucket.put(f"{manifest.session_id}.wav", b"\0")  # type: ignore[attr-defined]
        with pytest.raises(BadObjectError, match="bytes"):
            await copy(old, new, UUID(manifest.session_id))
        await old._bucket.delete([f"{manifest.session_id}.wav"])  # type: ignore[attr-defined]
        with pytest.raises(RecordingNotFoundError):
            await copy(old, new, UUID(manifest.session_id))
    assert list(target.folder.iterdir()) == []


class DamagingArchive(FolderArchive):
    """A folder on a disk that changes what is written to it."""

    async def put_audio(self, manifest: Manifest, audio: AsyncIterator[bytes]) -> AudioFile:
        written = await super().put_audio(manifest, audio)
        data = written.path.read_bytes()
        written.path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        return written


async def test_a_copy_that_differs_from_its_source_is_removed(folders: tuple[Place, Place]) -> None:
    source, target = folders
    manifest = await recorded(source)
    async with source.archive() as old, target.archive():
        with pytest.raises(StorageUnavailableError, match="differs from its source"):
            await copy(old, DamagingArchive(target.folder), UUID(manifest.session_id))
    assert list(target.folder.iterdir()) == []


async def test_a_session_that_cannot_be_compared_is_refused_and_harms_no_other(
    folders: tuple[Place, Place],
) -> None:
    source, target = folders
    manifest = await recorded(source)
    async with source.archive() as old, target.archive() as new:
        await copy(old, new, UUID(manifest.session_id))
        assert (await compare(old, new, UUID(int=1))).standing is Standing.GONE
    copied = target.folder / f"{manifest.session_id}.json"
    copied.write_text(copied.read_text().replace('"chunk_count": 1', '"chunk_count": 2'))
    assert "another manifest" in await refused(source, target, manifest.session_id)
    copied.write_text("{")
    assert "in the target" in await refused(source, target, manifest.session_id)
    (source.folder / f"{manifest.session_id}.json").write_text("{")
    assert "not a manifest" in await refused(source, target, manifest.session_id)


async def test_shared_links_are_not_copied(folders: tuple[Place, Place]) -> None:
    source, target = folders
    session_id = UUID((await recorded(source)).session_id)
    async with source.storage() as storage:
        await storage.shared_links.add(session_id, link(1))
    async with source.archive() as old, target.archive() as new:
        await copy(old, new, session_id)
    async with source.storage() as first, target.storage() as second:
        assert await first.shared_links.all(session_id) == [link(1)]
        assert await second.shared_links.all(session_id) == []
