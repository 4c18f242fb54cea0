"""Completed audio and its waveform are read from the bucket."""

import asyncio
from pathlib import Path

import pytest

from storage import wav
from storage.errors import RecordingNotFoundError
from storage.s3 import S3Storage
from storage.s3.writing.recording import S3Recording
from tests import engines
from tests.audio import dat
from tests.conftest import ManualClock
from tests.faults import FaultyStore
from tests.storage.s3.conftest import (
    AUDIO,
    LONG_AUDIO,
    RATE,
    OpenS3,
    abandoned_session,
    operations,
    peaks_of,
)
from tests.storage.test_conformance import LATER, content


async def test_completed_audio_and_its_waveform_take_one_request_each(
    store: FaultyStore, writer: S3Storage, reader: S3Storage, recording: S3Recording
) -> None:
    completed = await recording.complete(LATER)
    await writer.stop()  # waits for background clean-up
    since = len(store.requests)
    audio = await reader.audio(completed)
    assert audio.modified_at == LATER
    assert store.requests[since:] == []
    assert (await audio.peaks()).encode() == dat(AUDIO, sample_rate=16000)
    assert operations(store, since) == {"GetObject": 1}
    assert await content(audio, wav.HEADER_BYTES) == AUDIO
    assert operations(store, since) == {"GetObject": 2}


async def test_a_missing_waveform_is_measured_on_request_until_deletion(
    open_s3: OpenS3, clock: ManualClock, tmp_path: Path, moto_url: str, prefix: str
) -> None:
    session_id = await abandoned_session(open_s3, tmp_path / "one", clock)
    storage = open_s3(tmp_path / "other")
    await storage.start()
    recording = await storage.open(await storage.manifest(session_id))
    manifest = await recording.complete(LATER)
    await storage._bucket.delete([f"{session_id}.dat"])
    answers = await asyncio.gather(*(peaks_of(storage, session_id) for _ in range(4)))
    assert set(answers) == {dat(LONG_AUDIO[:20_000], sample_rate=RATE)}
    assert engines.objects(moto_url, prefix)[f"{session_id}.dat"] == answers[0]

    audio = await storage.audio(manifest)
    await storage.delete(manifest)
    with pytest.raises(RecordingNotFoundError):
        await audio.peaks()
    await storage.stop()
    left = engines.objects(moto_url, prefix)
    assert not [key for key in left if str(session_id) in key]
