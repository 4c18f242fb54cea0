"""S3 storage: requests per operation, and reading a session that another node writes."""

from pathlib import Path

import pytest

from storage import wav
from storage.base import Progress
from storage.checkpoint import Checkpoint
from storage.s3 import BucketSettings, S3Storage
from storage.s3.writing.recording import S3Recording
from tests.faults import FaultyStore
from tests.storage.s3.conftest import (
    AUDIO,
    manifest_of,
)
from tests.storage.test_conformance import content


async def test_reading_a_session_of_another_node_does_not_take_it_over(
    reader: S3Storage, recording: S3Recording
) -> None:
    manifest = await manifest_of(reader, recording)
    audio = await reader.audio(manifest)
    assert await content(audio, wav.HEADER_BYTES) == AUDIO[:1200]
    persisted = recording.persisted
    assert persisted == Checkpoint(1, 1200)
    assert await reader.progress(manifest) == Progress(persisted, persisted)
    await recording.flush()
    assert recording.persisted == Checkpoint(2, len(AUDIO))
    await recording.release()


@pytest.mark.parametrize(("is_store_checked", "expected"), [(False, 4), (True, 0)])
async def test_start_checks_the_store_unless_the_caller_has_checked_it(
    store: FaultyStore,
    settings: BucketSettings,
    tmp_path: Path,
    *,
    is_store_checked: bool,
    expected: int,
) -> None:
    storage = S3Storage(settings, tmp_path, is_store_checked=is_store_checked)
    await storage.start()
    await storage.stop()
    probes = [r for r in store.requests if "/_probe/" in r.path and r.method == "PUT"]
    assert len(probes) == expected
