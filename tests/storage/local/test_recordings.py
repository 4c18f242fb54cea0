"""An operator reads the recordings of a volume beside the service."""

from pathlib import Path
from uuid import UUID

import pytest

from storage.checkpoint import Checkpoint
from storage.errors import RecordingNotFoundError
from storage.local import LocalStorage, VolumeRecordings
from storage.verification import check_audio
from tests.audio import pcm
from tests.storage.conftest import new_manifest


async def test_a_completed_recording_is_found_and_fits_its_receipt(
    volume: LocalStorage, tmp_path: Path
) -> None:
    recording = await volume.create(new_manifest())
    recording.append(pcm(1000), Checkpoint(1, 2000))
    await recording.complete(recording.manifest.created_at)
    found = VolumeRecordings(tmp_path)
    (session_id,) = [each async for each in found.sessions()]
    assert session_id == UUID(recording.manifest.session_id)
    receipt = (await found.manifest(session_id)).receipt
    assert receipt is not None
    blocks = await found.blocks(session_id)
    assert len(blocks) == 32
    assert await check_audio(await found.audio(session_id), receipt, blocks) == []


async def test_missing_audio_is_told(volume: LocalStorage, tmp_path: Path) -> None:
    found = VolumeRecordings(tmp_path)
    session_id = UUID(new_manifest().session_id)
    with pytest.raises(RecordingNotFoundError):
        await found.audio(session_id)
    assert await found.blocks(session_id) == b""
