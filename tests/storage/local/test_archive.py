"""Sessions of a folder, read and added beside the service."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from storage.archive import Derived
from storage.errors import BadObjectError, RecordingNotFoundError, StorageUnavailableError
from storage.local import FolderArchive, LocalStorage
from tests.storage.archives import record
from tests.storage.local.folders import listed, put_folder, rows_of, running

AUDIO = b"\1\0" * 100


async def blocks(*data: bytes) -> AsyncIterator[bytes]:
    for each in data:
        yield each


async def test_a_session_that_is_added_is_in_the_lists_of_the_running_service(
    tmp_path: Path,
) -> None:
    async with running(tmp_path / "one") as storage:
        manifest = await record(storage, AUDIO, user_id="alice")
    async with running(tmp_path / "other") as storage:
        archive = FolderArchive(tmp_path / "other")
        audio = await archive.put_audio(manifest, blocks(bytes(80), AUDIO))
        assert await listed(storage, user_id="alice") == []
        await archive.add(manifest, audio, Derived(b"waveform", b"digests", b"timeline"))
        assert await listed(storage, user_id="alice") == [manifest.session_id]
        (row,) = rows_of(tmp_path / "other", [manifest.session_id])
        assert row is not None
        names = {each.suffix for each in (tmp_path / "other").glob("0*")}
        assert names == {".wav", ".json", ".dat", ".sums", ".times"}
        with pytest.raises(StorageUnavailableError, match="meanwhile"):
            audio = await archive.put_audio(manifest, blocks(AUDIO))
            await archive.add(manifest, audio, Derived(None, None))


async def test_a_timeline_that_cannot_be_read_is_not_taken_for_none(tmp_path: Path) -> None:
    async with running(tmp_path) as storage:
        manifest = await record(storage, AUDIO)
    path = tmp_path / f"{manifest.session_id}.times"
    path.unlink()
    assert (await FolderArchive(tmp_path).derived(manifest)).timeline is None
    path.mkdir()
    with pytest.raises(StorageUnavailableError):
        await FolderArchive(tmp_path).derived(manifest)


async def test_audio_that_was_not_added_is_removed_by_the_next_start(tmp_path: Path) -> None:
    async with running(tmp_path) as storage:
        manifest = await record(storage, AUDIO)
    await FolderArchive(tmp_path).put_audio(manifest, blocks(AUDIO))
    assert len(list(tmp_path.glob("*.tmp"))) == 1
    async with running(tmp_path):
        assert list(tmp_path.glob("*.tmp")) == []


async def test_an_interrupted_copy_leaves_no_file(tmp_path: Path) -> None:
    async with running(tmp_path) as storage:
        manifest = await record(storage, AUDIO)

    async def failing() -> AsyncIterator[bytes]:
        yield AUDIO
        raise StorageUnavailableError("the store has gone")

    with pytest.raises(StorageUnavailableError):
        await FolderArchive(tmp_path).put_audio(manifest, failing())
    assert list(tmp_path.glob("*.tmp")) == []


async def test_missing_short_and_foreign_audio_is_told_apart(volume: LocalStorage) -> None:
    manifest = await record(volume, AUDIO)
    archive = FolderArchive(Path(volume.location(UUID(manifest.session_id))).parent)
    path = Path(volume.location(UUID(manifest.session_id)))
    path.write_bytes(b"short")
    with pytest.raises(BadObjectError, match="shorter"):
        await archive.audio(manifest)
    put_folder(path)
    with pytest.raises(BadObjectError, match="no file"):
        await archive.audio(manifest)
    put_folder(path)
    path.rename(path.with_name("elsewhere"))
    with pytest.raises(RecordingNotFoundError):
        await archive.audio(manifest)
    assert None not in await archive.derived(manifest)
    for suffix in (".dat", ".sums", ".times"):
        path.with_suffix(suffix).unlink()
    assert await archive.derived(manifest) == Derived(None, None)


async def test_a_folder_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailableError, match="is no folder"):
        await anext(FolderArchive(tmp_path / "missing").session_ids())
