"""The file that keeps the waveform of a completed recording."""

from pathlib import Path
from uuid import UUID

import pytest

from storage.errors import StorageUnavailableError
from storage.local import LocalStorage
from storage.local.waveform_file import WaveformFile
from storage.volume.paths import SessionPaths
from tests.audio import pcm
from tests.storage.conftest import new_manifest
from tests.storage.test_conformance import LATER, append

RATE = 16000


DATA = pcm(5000)


async def test_a_late_measurement_does_not_restore_a_deleted_session(
    volume: LocalStorage, tmp_path: Path
) -> None:
    recording = await volume.create(new_manifest())
    append(recording, DATA)
    manifest = await recording.complete(LATER)
    audio = await volume.audio(manifest)
    found = await audio.peaks()
    await volume.delete(manifest)
    paths = SessionPaths(tmp_path, UUID(manifest.session_id))
    await WaveformFile(paths).keep(found.encode())
    assert not list(tmp_path.glob(f"{manifest.session_id}*"))


async def test_a_kept_waveform_is_read_again_and_a_missing_one_is_none(
    volume: LocalStorage, tmp_path: Path
) -> None:
    recording = await volume.create(new_manifest())
    file = WaveformFile(SessionPaths(tmp_path, UUID(recording.manifest.session_id)))
    assert await file.read(100) is None
    await file.keep(b"waveform")
    assert await file.read(100) == b"waveform"
    assert file.name == str(tmp_path / f"{recording.manifest.session_id}.dat")


async def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    file = WaveformFile(SessionPaths(tmp_path / "gone", UUID(int=1)))
    with pytest.raises(StorageUnavailableError):
        await file.keep(b"waveform")
