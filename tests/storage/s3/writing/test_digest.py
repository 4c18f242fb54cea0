"""Waveforms in a bucket: stored with the audio, and measured again after a takeover."""

import asyncio
import hashlib
from pathlib import Path
from uuid import UUID

import pytest

from storage.errors import RecordingNotFoundError
from storage.pcm import PcmFormat
from storage.s3 import S3Storage
from storage.s3.writing.digest import Digest
from storage.waveform.growing_file import GrowingWaveform
from tests import engines
from tests.audio import dat, pcm
from tests.conftest import ManualClock
from tests.eventually import eventually
from tests.storage.conftest import new_manifest
from tests.storage.s3.conftest import LEASE_SECONDS, OpenS3
from tests.storage.test_conformance import LATER, append

RATE = 16000
DATA = pcm(20_000)  # several parts, the last one incomplete


def test_repeated_or_early_audio_does_not_change_the_digest(tmp_path: Path) -> None:
    file = GrowingWaveform(tmp_path / "peaks", PcmFormat(RATE, 1))
    digest = Digest(file)
    for start, stop in ((0, 700), (0, 700), (900, 2000), (700, 9001), (700, 800), (9001, 40_000)):
        digest.add(start, DATA[start:stop])
    assert digest.pcm_bytes == len(DATA)
    assert digest.sha256 == hashlib.sha256(DATA).hexdigest()
    assert file.to_peaks().encode() == dat(DATA, sample_rate=RATE)


async def peaks_of(storage: S3Storage, session_id: UUID) -> bytes:
    return (await (await storage.audio(await storage.manifest(session_id))).peaks()).encode()


async def abandoned_session(open_s3: OpenS3, folder: Path, clock: ManualClock) -> UUID:
    """Return a session with half the audio, in several segments, whose node has died."""
    storage = open_s3(folder)
    await storage.start()
    recording = await storage.create(new_manifest())
    for start in range(0, 20_000, 2500):
        append(recording, DATA[start : start + 2500])
        await recording.upload()
    recording.abandon()
    await storage.stop()
    clock.seconds += LEASE_SECONDS + 1
    return UUID(recording.manifest.session_id)


async def test_a_takeover_measures_the_session_again(
    open_s3: OpenS3, clock: ManualClock, tmp_path: Path
) -> None:
    session_id = await abandoned_session(open_s3, tmp_path / "one", clock)
    storage = open_s3(tmp_path / "other")
    await storage.start()
    assert await peaks_of(storage, session_id) == dat(DATA[:20_000], sample_rate=RATE)
    recording = await storage.open(await storage.manifest(session_id))
    assert (await (await recording.audio()).peaks()).encode() == dat(
        DATA[:20_000], sample_rate=RATE
    )
    append(recording, DATA[20_000:])
    assert (await (await recording.audio()).peaks()).encode() == dat(DATA, sample_rate=RATE)
    await recording.complete(LATER)
    assert await peaks_of(storage, session_id) == dat(DATA, sample_rate=RATE)
    await storage.stop()


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
    append(recording, DATA[20_000:])
    assert (await recording.complete(LATER)).sha256 is None
    await eventually(
        lambda: storage.manifest(session_id),
        lambda manifest: manifest.sha256 is not None,
        awaiting="the digest in the manifest",
    )
    kept = engines.objects(moto_url, prefix)
    assert kept[f"{session_id}.dat"] == dat(DATA, sample_rate=RATE)
    await storage.stop()


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
    assert set(answers) == {dat(DATA[:20_000], sample_rate=RATE)}
    assert engines.objects(moto_url, prefix)[f"{session_id}.dat"] == answers[0]

    audio = await storage.audio(manifest)
    await storage.delete(manifest)
    with pytest.raises(RecordingNotFoundError):
        await audio.peaks()
    await storage.stop()
    left = engines.objects(moto_url, prefix)
    assert not [key for key in left if str(session_id) in key]
