"""Ended sessions are cleaned up in the background."""

import asyncio
from pathlib import Path
from uuid import UUID

from storage.s3 import S3Storage
from storage.s3.keys import SessionKeys
from storage.s3.writing.recording import S3Recording
from tests import engines
from tests.audio import dat
from tests.conftest import ManualClock
from tests.eventually import eventually
from tests.faults import FaultyStore, Kind
from tests.s3_requests import is_a
from tests.storage.conftest import new_manifest
from tests.storage.s3.conftest import (
    LONG_AUDIO,
    RATE,
    OpenS3,
    abandoned_session,
)
from tests.storage.test_conformance import LATER, append


async def test_audio_not_measured_at_completion_is_measured_in_the_background(
    open_s3: OpenS3,
    clock: ManualClock,
    tmp_path: Path,
    moto_url: str,
    prefix: str,
) -> None:
    session_id = await abandoned_session(open_s3, tmp_path / "one", clock)
    storage = open_s3(tmp_path / "other", digest_step_bytes=1000)
    await storage.start()
    recording = await storage.open(await storage.manifest(session_id))
    append(recording, LONG_AUDIO[20_000:])
    assert (await recording.complete(LATER)).sha256 is None
    await eventually(
        lambda: storage.manifest(session_id),
        lambda manifest: manifest.sha256 is not None,
        awaiting="the digest in the manifest",
    )
    kept = engines.objects(moto_url, prefix)
    assert kept[f"{session_id}.dat"] == dat(LONG_AUDIO, sample_rate=RATE)
    await storage.stop()


async def test_a_completed_session_keeps_its_five_objects_only(
    writer: S3Storage, recording: S3Recording, moto_url: str, prefix: str
) -> None:
    await recording.complete(LATER)
    await writer.stop()  # waits for the cleaning
    session_id = recording.manifest.session_id
    left = [key for key in engines.objects(moto_url, prefix) if session_id in key]
    kinds = ("dat", "json", "sums", "times", "wav")
    assert sorted(left) == [f"{session_id}.{kind}" for kind in kinds]


async def test_segments_stay_if_they_are_to_be_kept(
    open_s3: OpenS3, tmp_path: Path, moto_url: str, prefix: str
) -> None:
    storage = open_s3(tmp_path / "keeping", keep_segments=True)
    await storage.start()
    recording = await storage.create(new_manifest())
    append(recording, LONG_AUDIO)
    await recording.complete(LATER)
    await storage.stop()
    keys = SessionKeys(UUID(recording.manifest.session_id))
    left = engines.objects(moto_url, prefix)
    assert [key for key in left if key.startswith(keys.segments)]
    assert keys.active not in left


async def test_an_interrupted_cleaning_is_repeated_at_the_next_look(
    store: FaultyStore, writer: S3Storage, recording: S3Recording
) -> None:
    fault = store.fail(Kind.ERROR, is_a("DeleteObjects"))
    completed = await recording.complete(LATER)
    await asyncio.to_thread(fault.wait)
    fault.end()
    marker = SessionKeys.of(completed).active
    await writer._cleaner.stop()
    assert await writer._bucket.keys(marker) == [marker]
    assert await writer.active_sessions() == []
    await eventually(
        lambda: writer._bucket.keys(marker),
        lambda found: found == [],
        awaiting="the removal of the marker",
    )
