"""Waveforms on a volume: measured with each sync, and measured again when in doubt."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from storage.local import LocalStorage
from storage.pcm import PcmFormat
from storage.volume.disk import boot_id
from storage.volume.recording import VolumeRecording
from storage.waveform.growing_file import GrowingWaveform, MeasuringLimits
from tests.audio import dat, pcm
from tests.eventually import eventually
from tests.storage.conftest import file_size_limit, new_manifest
from tests.storage.test_conformance import LATER, append

RATE = 16000
DATA = pcm(5000)
AT_EACH_SYNC = MeasuringLimits(interval_seconds=0)


@pytest.fixture
async def volume(tmp_path: Path) -> AsyncIterator[LocalStorage]:
    """A storage that measures all new audio at each sync."""
    storage = LocalStorage(tmp_path, sync_interval_seconds=3600, measuring_limits=AT_EACH_SYNC)
    await storage.start()
    yield storage
    await storage.stop()


def file_of(recording: VolumeRecording, folder: Path, kind: str = "dat") -> Path:
    return folder / f"{recording.manifest.session_id}.{kind}"


async def peaks_of(volume: LocalStorage, recording: VolumeRecording) -> bytes:
    manifest = await volume.manifest(UUID(recording.manifest.session_id))
    is_active = manifest.status == "active"
    audio = await (recording.audio() if is_active else volume.audio(manifest))
    return (await audio.peaks()).encode()


async def test_each_sync_measures_new_audio_and_completing_measures_the_rest(
    volume: LocalStorage, tmp_path: Path
) -> None:
    recording = await volume.create(new_manifest())
    assert recording.peaks is not None
    append(recording, DATA[:3000])
    assert recording.peaks.pcm_bytes == 0
    await recording.flush()
    assert recording.peaks.pcm_bytes == 3000
    growing = file_of(recording, tmp_path, "state") / f"peaks.{boot_id()}"
    assert growing.read_bytes()[24:] == dat(DATA[:2560], sample_rate=RATE)[24:]
    append(recording, DATA[3000:])
    await recording.complete(LATER)
    assert file_of(recording, tmp_path).read_bytes() == dat(DATA, sample_rate=RATE)


async def test_a_sync_measures_new_audio_if_it_is_enough(tmp_path: Path) -> None:
    limits = MeasuringLimits(interval_seconds=3000 / (2 * RATE))  # 3,000 bytes
    volume = LocalStorage(tmp_path, sync_interval_seconds=3600, measuring_limits=limits)
    await volume.start()
    recording = await volume.create(new_manifest())
    assert recording.peaks is not None
    for size_bytes, measured_bytes in ((2998, 0), (3000, 3000), (5998, 3000), (6000, 6000)):
        append(recording, DATA[recording.checkpoint.pcm_bytes : size_bytes])
        await recording.flush()
        assert recording.peaks.pcm_bytes == measured_bytes
    append(recording, DATA[6000:])
    assert await peaks_of(volume, recording) == dat(DATA, sample_rate=RATE)
    recording.abandon()
    await volume.stop()


async def test_a_takeover_continues_the_measuring_of_the_crashed_process(
    volume: LocalStorage, tmp_path: Path
) -> None:
    recording = await volume.create(new_manifest())
    append(recording, DATA[:6400])
    await recording.flush()
    append(recording, DATA[6400:])
    recording.abandon()
    recording = await volume.open(recording.manifest)
    assert recording.peaks is not None
    assert recording.peaks.pcm_bytes == 6400
    await recording.complete(LATER)
    assert file_of(recording, tmp_path).read_bytes() == dat(DATA, sample_rate=RATE)


async def test_measurements_of_lost_audio_are_discarded(
    volume: LocalStorage, tmp_path: Path
) -> None:
    recording = await volume.create(new_manifest())
    append(recording, DATA[:1000])
    await recording.flush()
    append(recording, DATA)
    assert recording.peaks is not None
    recording.peaks.measure_all(file_of(recording, tmp_path, "wav"), recording.checkpoint.pcm_bytes)
    with file_of(recording, tmp_path, "wav").open("r+b") as file:
        file.truncate(80 + 2000)  # by a power loss
    recording.abandon()
    recording = await volume.open(recording.manifest)
    assert recording.checkpoint.pcm_bytes == 1000
    other = pcm(3000, seed=7)
    append(recording, other)
    assert await peaks_of(volume, recording) == dat(DATA[:1000] + other, sample_rate=RATE)


async def test_measurements_from_before_a_reboot_are_discarded(
    volume: LocalStorage, tmp_path: Path
) -> None:
    recording = await volume.create(new_manifest())
    append(recording, DATA)
    await recording.flush()
    state = file_of(recording, tmp_path, "state")
    growing = state / f"peaks.{boot_id()}"
    growing.write_bytes(bytes(growing.stat().st_size))  # a disk may hold this after a power loss
    growing.rename(state / "peaks.of-another-boot")
    recording.abandon()
    recording = await volume.open(recording.manifest)
    assert await peaks_of(volume, recording) == dat(DATA, sample_rate=RATE)
    await recording.complete(LATER)
    assert not state.exists()
    assert file_of(recording, tmp_path).read_bytes() == dat(DATA, sample_rate=RATE)


@pytest.mark.parametrize("found", [None, b"", bytes(100), dat(DATA, sample_rate=8000)])
async def test_a_missing_or_invalid_waveform_is_measured_on_request(
    volume: LocalStorage, tmp_path: Path, found: bytes | None
) -> None:
    recording = await volume.create(new_manifest())
    append(recording, DATA)
    await recording.complete(LATER)
    path = file_of(recording, tmp_path)
    path.unlink()
    if found is not None:
        path.write_bytes(found)
    answers = await asyncio.gather(*(peaks_of(volume, recording) for _ in range(4)))
    assert set(answers) == {path.read_bytes()} == {dat(DATA, sample_rate=RATE)}


async def test_a_large_backlog_is_measured_over_several_syncs(tmp_path: Path) -> None:
    volume = LocalStorage(
        tmp_path,
        sync_interval_seconds=0.01,
        measuring_limits=MeasuringLimits(interval_seconds=0, step_bytes=4000),
    )
    await volume.start()
    recording = await volume.create(new_manifest())
    append(recording, DATA)
    peaks = recording.peaks
    assert peaks is not None
    await eventually(
        lambda: peaks.pcm_bytes, lambda count: count == len(DATA), awaiting="a measured backlog"
    )
    assert not recording.has_unmeasured_audio
    await recording.complete(LATER)
    await volume.stop()
    assert file_of(recording, tmp_path).read_bytes() == dat(DATA, sample_rate=RATE)


async def test_completing_does_not_wait_for_a_large_backlog(tmp_path: Path) -> None:
    volume = LocalStorage(
        tmp_path,
        sync_interval_seconds=3600,
        measuring_limits=MeasuringLimits(completion_bytes=4000),
    )
    await volume.start()
    recording = await volume.create(new_manifest())
    append(recording, DATA)
    await recording.complete(LATER)
    assert not file_of(recording, tmp_path).exists()
    assert await peaks_of(volume, recording) == dat(DATA, sample_rate=RATE)
    assert file_of(recording, tmp_path).exists()
    await volume.stop()


async def test_a_full_disk_stops_the_waveform_and_not_the_recording(
    volume: LocalStorage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recording = await volume.create(new_manifest())
    append(recording, DATA[:2000])
    await recording.flush()
    append(recording, DATA[2000:])
    assert recording.peaks is not None
    before = recording.peaks.pcm_bytes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("storage.waveform.growing_file.files.write_at", _no_room)
        recording.measure()
    assert recording.peaks.pcm_bytes == before
    assert "no waveform for now" in caplog.text
    await recording.complete(LATER)
    assert file_of(recording, tmp_path).read_bytes() == dat(DATA, sample_rate=RATE)


def _no_room(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_after_a_failed_write_the_same_audio_can_be_added_again(tmp_path: Path) -> None:
    file = GrowingWaveform(tmp_path / "peaks", PcmFormat(RATE, 1))
    file.add(DATA[:5001])
    with file_size_limit(30), pytest.raises(OSError, match="large"):
        file.add(DATA[5001:])
    assert file.pcm_bytes == 5001
    file.add(DATA[5001:])
    file.finish(tmp_path / "finished")
    assert (tmp_path / "finished").read_bytes() == dat(DATA, sample_rate=RATE)
