"""The digests and the waveform follow what is persisted, and hinder nothing."""

import hashlib
from pathlib import Path

import pytest

from storage.s3 import S3Storage
from storage.volume.disk import boot_id
from storage.wav import HEADER_BYTES
from tests.faults import FaultyStore
from tests.s3_requests import is_a
from tests.storage.conftest import new_manifest
from tests.storage.s3.conftest import LONG_AUDIO, PART_BYTES
from tests.storage.test_block_digest import by_definition
from tests.storage.test_conformance import LATER, append


async def test_the_digests_of_audio_in_the_spool_take_no_request(
    store: FaultyStore, writer: S3Storage
) -> None:
    """Parts are put, and their audio is freed, after it was digested."""
    recording = await writer.create(new_manifest())
    for start in range(0, len(LONG_AUDIO), 2500):
        append(recording, LONG_AUDIO[start : start + 2500])
        await recording.upload()
    assert recording.spool.holds(0, PART_BYTES - HEADER_BYTES)
    assert not recording.spool.holds(0, 2 * PART_BYTES)
    manifest = await recording.complete(LATER)
    assert not list(filter(is_a("GetObject", path_has="/segments/"), store.requests))
    assert manifest.sha256 == hashlib.sha256(LONG_AUDIO).hexdigest()
    assert manifest.receipt is not None
    assert manifest.receipt.audio.digest == by_definition(LONG_AUDIO)


async def test_a_waveform_that_cannot_be_written_stops_no_upload(
    store: FaultyStore,
    writer: S3Storage,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    recording = await writer.create(new_manifest())
    (folder,) = (tmp_path / "writer").rglob("*.state")
    waveform = folder / f"peaks.{boot_id()}"
    waveform.mkdir()
    append(recording, LONG_AUDIO)
    await recording.upload()
    assert "no digests for now" in caplog.text
    assert recording.persisted == recording.checkpoint
    assert sum(map(is_a("UploadPart"), store.requests)) == 3
    waveform.rmdir()
    assert (await recording.complete(LATER)).sha256 == hashlib.sha256(LONG_AUDIO).hexdigest()
