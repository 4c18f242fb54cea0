"""Every promise of `storage.base`, on every backend."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from storage import manifest as manifests
from storage import wav
from storage.base import AgedSession, Audio, Progress, Recording, Storage
from storage.checkpoint import Checkpoint, StreamCheckpoint
from storage.details import DetailChanges, Details
from storage.errors import (
    BadObjectError,
    RecordingNotFoundError,
    SessionHeldError,
    StorageUnavailableError,
)
from storage.filters import Filters
from storage.manifest import VERSION, Manifest
from storage.outbox import DEAD, FIRST_SLOT, RETRIED, Place
from storage.pcm import PcmFormat
from storage.watermark import Unpersisted
from storage.waveform import peaks
from storage.waveform.peaks import Peaks
from tests.audio import pcm
from tests.eventually import eventually
from tests.storage.conftest import BACKENDS, LONG_BACKENDS, ReplaceManifest, new_manifest
from tests.storage.waveform.test_peaks import expected

LATER = datetime(2026, 1, 2, tzinfo=UTC)
UNKNOWN = UUID("019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b")

CALL = "0123456789abcdef" * 2

AUDIO = wav.header(PcmFormat(16000, 1), 200) + pcm(100)

_ran: set[str] = set()


@pytest.fixture(autouse=True)
def note_backend(request: pytest.FixtureRequest) -> None:
    if "open_storage" in request.fixturenames:
        _ran.add(request.node.callspec.params["open_storage"])


def id_of(recording: Recording) -> UUID:
    return UUID(recording.manifest.session_id)


def append(recording: Recording, data: bytes, *streams: StreamCheckpoint) -> None:
    """Append ``data`` as one chunk."""
    last = recording.checkpoint
    recording.append(
        data, Checkpoint(last.chunk_count + 1, last.pcm_bytes + len(data), tuple(streams))
    )


async def content(audio: Audio, start: int = 0, stop: int | None = None) -> bytes:
    stop = audio.size_bytes if stop is None else stop
    return b"".join([block async for block in audio.read(start, stop)])


def waveform(data: bytes, channels: int = 1) -> Peaks:
    pcm_format = PcmFormat(16000, channels)
    return peaks.peaks_of(pcm_format, expected(data, pcm_format))


async def opened(storage: Storage, recording: Recording) -> Recording:
    """Take over the session of ``recording``."""
    return await storage.open(await storage.manifest(id_of(recording)))


async def completed_audio(storage: Storage, recording: Recording) -> Audio:
    return await storage.audio(await storage.manifest(id_of(recording)))


async def crash(
    storage: Storage, recording: Recording, open_storage: Callable[[], Storage]
) -> Storage:
    """End this process as a crash does; return the storage of the next one."""
    recording.abandon()
    await storage.stop()
    successor = open_storage()
    await successor.start()
    return successor


async def test_appended_audio_is_read_back(storage: Storage) -> None:
    recording = await storage.create(new_manifest())
    append(recording, pcm(1000, seed=1))
    append(recording, pcm(500, seed=2))
    data = pcm(1000, seed=1) + pcm(500, seed=2)
    audio = await recording.audio()
    assert await content(audio) == wav.header(PcmFormat(16000, 1), len(data)) + data


async def test_a_new_recording_is_an_empty_wav(storage: Storage) -> None:
    recording = await storage.create(new_manifest())
    audio = await recording.audio()
    assert await content(audio) == wav.header(PcmFormat(16000, 1), 0)


async def test_a_range_read_returns_that_part_of_the_file(storage: Storage) -> None:
    recording = await storage.create(new_manifest())
    append(recording, pcm(300))
    audio = await recording.audio()
    whole = await content(audio)
    for start, stop in ((0, 1), (0, 80), (79, 81), (80, 81), (100, 680), (679, 680), (7, 7)):
        assert await content(audio, start, stop) == whole[start:stop]


async def test_a_snapshot_keeps_its_length_and_its_etag(storage: Storage) -> None:
    recording = await storage.create(new_manifest())
    append(recording, pcm(100))
    before = await recording.audio()
    append(recording, pcm(100))
    after = await recording.audio()
    assert len(await content(before)) == before.size_bytes == 80 + 200
    assert after.size_bytes == 80 + 400
    assert before.etag != after.etag


async def test_flush_persists_everything_appended_before(storage: Storage) -> None:
    recording = await storage.create(new_manifest())
    append(recording, pcm(100))
    assert recording.persisted.chunk_count == 0
    await recording.flush()
    assert recording.persisted == recording.checkpoint == Checkpoint(1, 200)


async def test_audio_written_ahead_counts_after_the_append_that_covers_it(storage: Storage) -> None:
    recording = await storage.create(new_manifest())
    append(recording, pcm(100, seed=1))
    await asyncio.to_thread(recording.write_ahead, pcm(70_000, seed=2))
    audio = await recording.audio()
    assert (await content(audio))[80:] == pcm(100, seed=1)
    recording.append(b"", Checkpoint(2, 200 + 140_000))
    await recording.flush()
    await asyncio.to_thread(recording.write_ahead, pcm(50_000, seed=3))  # no append covers it
    manifest = await recording.complete(recording.manifest.created_at)
    assert manifest.chunk_count == 2
    audio = await completed_audio(storage, recording)
    assert (await content(audio))[80:] == pcm(100, seed=1) + pcm(70_000, seed=2)


async def test_a_recording_reports_its_unpersisted_bytes_and_seconds(storage: Storage) -> None:
    recording = await storage.create(new_manifest())
    await recording.flush()
    assert recording.unpersisted == Unpersisted()
    began = time.monotonic()
    append(recording, pcm(100))
    append(recording, pcm(50))
    assert recording.unpersisted.pcm_bytes == 300
    assert 0 < recording.unpersisted.seconds <= time.monotonic() - began
    await recording.flush()
    assert recording.unpersisted == Unpersisted()
    began = time.monotonic()
    append(recording, pcm(1))
    assert recording.unpersisted.seconds <= time.monotonic() - began


async def test_completing_writes_the_counts_into_the_manifest(storage: Storage) -> None:
    recording = await storage.create(new_manifest())
    append(recording, pcm(16000))
    append(recording, pcm(8000))
    warned = recording.checkpoint.warned("decode_failed", "no frames", frame=24000)
    recording.append(b"", warned)
    await recording.complete(LATER)
    manifest = await storage.manifest(id_of(recording))
    assert manifest.status == "completed"
    assert manifest.completed_at == LATER
    assert manifest.chunk_count == 2
    assert manifest.frames == 24000
    assert manifest.duration_seconds == 1.5
    assert manifest.size_bytes == 80 + 48000
    assert manifest.container == "RIFF"
    assert (manifest.error, manifest.warning_count) == ("no frames", 1)
    assert manifest.warnings == warned.warnings


async def test_completed_audio_equals_the_recorded_audio(storage: Storage) -> None:
    recording = await storage.create(new_manifest(channels=2))
    append(recording, pcm(700, channels=2))
    await recording.complete(LATER)
    audio = await completed_audio(storage, recording)
    data = pcm(700, channels=2)
    assert await content(audio) == wav.header(PcmFormat(16000, 2), len(data)) + data


async def test_a_completed_session_cannot_be_opened(storage: Storage) -> None:
    recording = await storage.create(new_manifest())
    await recording.complete(LATER)
    with pytest.raises(RecordingNotFoundError):
        await opened(storage, recording)


async def test_active_sessions_lists_all_sessions_not_completed(storage: Storage) -> None:
    first = await storage.create(new_manifest())
    second = await storage.create(new_manifest())
    third = await storage.create(new_manifest())
    await second.complete(LATER)
    assert await storage.active_sessions() == [id_of(first), id_of(third)]


async def test_the_active_sessions_of_a_call_are_found_newest_first(storage: Storage) -> None:
    marked = [await storage.create(new_manifest(call_hash=CALL)) for _ in range(4)]
    other = await storage.create(new_manifest(call_hash="0" * 32))
    await storage.create(new_manifest())
    ids = [id_of(each) for each in reversed(marked)]
    assert await storage.sessions_of_call(CALL) == ids
    await marked[3].complete(LATER)
    await marked[2].release()
    await storage.delete(marked[2].manifest)

    await eventually(
        lambda: storage.sessions_of_call(CALL),
        lambda found: found == ids[2:],
        awaiting="the end of what was completed, which a bucket cleans up afterwards",
    )
    assert await storage.sessions_of_call("0" * 32) == [id_of(other)]


async def test_a_released_recording_continues_where_it_stopped(storage: Storage) -> None:
    recording = await storage.create(new_manifest())
    append(recording, pcm(100, seed=1))
    await recording.release()
    recording = await opened(storage, recording)
    assert recording.checkpoint == recording.persisted == Checkpoint(1, 200)
    append(recording, pcm(100, seed=2))
    audio = await recording.audio()
    assert await content(audio, 80) == pcm(100, seed=1) + pcm(100, seed=2)


async def test_appended_audio_survives_a_crash_of_the_writer(
    open_storage: Callable[[], Storage],
) -> None:
    storage = open_storage()
    await storage.start()
    recording = await storage.create(new_manifest())
    stream = StreamCheckpoint(number=1, kept_bytes=0, pcm_bytes=200, state=b"state")
    append(recording, pcm(100), stream)
    successor = await crash(storage, recording, open_storage)
    taken_over = await opened(successor, recording)
    assert taken_over.checkpoint == Checkpoint(1, 200, (stream,))
    audio = await taken_over.audio()
    assert await content(audio, 80) == pcm(100)
    await successor.stop()


async def test_warnings_survive_a_crash_of_the_writer(
    open_storage: Callable[[], Storage],
) -> None:
    storage = open_storage()
    await storage.start()
    recording = await storage.create(new_manifest())
    append(recording, pcm(100))
    warned = recording.checkpoint.warned("decode_failed", "no frames", frame=100)
    recording.append(b"", warned)
    successor = await crash(storage, recording, open_storage)
    taken_over = await opened(successor, recording)
    assert taken_over.checkpoint.warnings == warned.warnings
    assert (await taken_over.complete(LATER)).warning_count == 1
    await successor.stop()


async def test_a_persisted_warning_reaches_readers_and_the_next_writer(
    storage: Storage,
) -> None:
    recording = await storage.create(new_manifest())
    append(recording, pcm(100))
    await recording.flush()
    warned = recording.checkpoint.warned("decode_failed", "no frames", frame=100)
    recording.append(b"", warned)
    await recording.flush()
    progress = await storage.progress(recording.manifest)
    assert progress.persisted.warnings == warned.warnings
    await recording.release()
    assert (await opened(storage, recording)).checkpoint.warnings == warned.warnings


async def test_kept_input_is_read_back_up_to_the_checkpoint(
    open_storage: Callable[[], Storage],
) -> None:
    storage = open_storage()
    await storage.start()
    recording = await storage.create(new_manifest())
    recording.keep_input(3, 0, b"first,")
    recording.keep_input(3, 6, b"second")
    append(recording, b"", StreamCheckpoint(3, 12, 0, b""))
    recording.keep_input(3, 12, b"of a chunk that was never counted")
    successor = await crash(storage, recording, open_storage)
    taken_over = await opened(successor, recording)
    assert b"".join([block async for block in taken_over.read_input(3)]) == b"first,second"
    await successor.stop()


async def test_dropping_input_does_not_change_the_audio(storage: Storage) -> None:
    recording = await storage.create(new_manifest())
    recording.keep_input(1, 0, b"input")
    append(recording, pcm(10), StreamCheckpoint(1, 5, 20, b""))
    append(recording, b"")
    recording.drop_input(1)
    manifest = await recording.complete(LATER)
    assert manifest.frames == 10


async def test_details_of_an_active_session_survive_a_crash_and_completion(
    open_storage: Callable[[], Storage],
) -> None:
    storage = open_storage()
    await storage.start()
    recording = await storage.create(new_manifest(title="Draft", metadata={"room": "2"}))
    append(recording, pcm(100))
    await recording.change(DetailChanges(title="Interview"))
    assert recording.manifest.details == Details(title="Interview", metadata={"room": "2"})
    storage = await crash(storage, recording, open_storage)
    assert (await storage.manifest(id_of(recording))).details == recording.manifest.details
    page = await storage.manifests(limit=10)
    assert [each.title for each in page.manifests] == ["Interview"]
    recording = await opened(storage, recording)
    await recording.change(DetailChanges(metadata={}))
    completed = await recording.complete(LATER)
    assert completed.details == Details(title="Interview")
    assert await storage.manifest(id_of(recording)) == completed
    await storage.stop()


async def test_details_of_a_completed_session_can_be_changed(storage: Storage) -> None:
    recording = await storage.create(new_manifest(user_id="alice"))
    append(recording, pcm(100))
    completed = await recording.complete(LATER)
    changed = await storage.change(completed, DetailChanges(title="Interview"))
    changed = await storage.change(completed, DetailChanges(metadata={"room": "2"}))
    assert changed == completed.with_details(Details(title="Interview", metadata={"room": "2"}))
    assert (await storage.manifest(id_of(recording))).details == changed.details


async def test_changes_at_the_same_time_leave_the_details_of_one_of_them(storage: Storage) -> None:
    recording = await storage.create(new_manifest())

    async def change(number: int) -> None:
        details = DetailChanges(title=f"{number}", metadata={"number": f"{number}" * 500})
        if number < 10:
            await recording.change(details)
        else:
            await storage.change(completed, details)

    await asyncio.gather(*(change(number) for number in range(10)))
    active = recording.manifest.details
    completed = await recording.complete(LATER)
    assert completed.details == active
    await asyncio.gather(*(change(number) for number in range(10, 20)))
    found = await storage.manifest(id_of(recording))
    assert found.title in {f"{number}" for number in range(10, 20)}
    assert found.metadata == {"number": f"{found.title}" * 500}


async def test_a_recording_that_is_completed_takes_no_change(storage: Storage) -> None:
    recording = await storage.create(new_manifest())
    await recording.complete(LATER)
    with pytest.raises(StorageUnavailableError):
        await recording.change(DetailChanges(title="late"))


async def test_details_of_a_deleted_session_cannot_be_changed(storage: Storage) -> None:
    recording = await storage.create(new_manifest())
    completed = await recording.complete(LATER)
    await storage.change(completed, DetailChanges(title="Interview"))
    await storage.delete(completed)
    with pytest.raises(RecordingNotFoundError):
        await storage.change(completed, DetailChanges(title="late"))
    with pytest.raises(RecordingNotFoundError):
        await storage.manifest(id_of(recording))


async def completed_session(storage: Storage, **fields: object) -> Manifest:
    recording = await storage.create(new_manifest(**fields))
    append(recording, pcm(100))
    return await recording.complete(LATER)


async def check_kept(storage: Storage, manifest: Manifest) -> None:
    found = await storage.manifest(UUID(manifest.session_id))
    assert found.hold
    assert await content(await storage.audio(found)) == AUDIO


async def test_a_session_with_a_hold_is_deleted_by_nothing_until_it_is_lifted(
    storage: Storage,
) -> None:
    """Nor by what has read the manifest before the hold."""
    before = [await completed_session(storage), await completed_session(storage)]
    aged = [AgedSession(UUID(each.session_id), None, has_folder=True) for each in before]
    await storage.change(before[0], DetailChanges(hold=True))
    with pytest.raises(SessionHeldError):
        await storage.delete(before[0])
    failed = await storage.delete_completed(list(zip(aged, before, strict=True)))
    assert [(str(key), type(error)) for key, error in failed.items()] == [
        (before[0].session_id, SessionHeldError)
    ]
    await check_kept(storage, before[0])
    changed = await storage.change(before[0], DetailChanges(title="Evidence"))
    assert changed.hold
    with pytest.raises(RecordingNotFoundError):
        await storage.manifest(aged[1].session_id)
    lifted = await storage.change(changed, DetailChanges(hold=False))
    assert not lifted.hold
    await storage.delete(lifted)
    with pytest.raises(RecordingNotFoundError):
        await storage.manifest(aged[0].session_id)


async def test_a_hold_of_a_new_or_active_session_survives_a_crash_and_completion(
    open_storage: Callable[[], Storage],
) -> None:
    storage = open_storage()
    await storage.start()
    held_at = {"creation": True, "change": False}
    recordings = [await storage.create(new_manifest(hold=hold)) for hold in held_at.values()]
    for recording in recordings:
        append(recording, pcm(100))
        await recording.change(DetailChanges(title="x", hold=True))
        recording.abandon()
    await storage.stop()
    storage = open_storage()
    await storage.start()
    for recording in recordings:
        with pytest.raises(SessionHeldError):
            await storage.delete(await storage.manifest(id_of(recording)))
        completed = await (await opened(storage, recording)).complete(LATER)
        with pytest.raises(SessionHeldError):
            await storage.delete(completed)
        await check_kept(storage, completed)
    await storage.stop()


async def test_of_a_hold_and_a_deletion_at_the_same_time_one_is_refused(storage: Storage) -> None:
    for _ in range(4):
        manifest = await completed_session(storage)
        held, deleted = await asyncio.gather(
            storage.change(manifest, DetailChanges(hold=True)),
            storage.delete(manifest),
            return_exceptions=True,
        )
        if isinstance(held, Manifest):
            assert isinstance(deleted, SessionHeldError)
            await check_kept(storage, manifest)
        else:
            assert isinstance(held, RecordingNotFoundError)
            assert deleted is None


async def expired_at(storage: Storage, now: datetime) -> set[str]:
    pages = [page async for page in storage.expired(now)]
    return {manifest.session_id for page in pages for _, manifest in page.sessions}


async def test_sessions_are_found_when_they_expire_if_they_are_completed_and_not_held(
    storage: Storage,
) -> None:
    now = datetime.now(UTC)
    soon, later = now + timedelta(days=1), now + timedelta(days=2)
    created = await completed_session(storage, expires_at=soon)
    changed = await storage.change(
        await completed_session(storage, expires_at=later), DetailChanges(expires_at=soon)
    )
    recording = await storage.create(new_manifest())
    await recording.change(DetailChanges(expires_at=soon))
    await completed_session(storage)
    postponed = await storage.change(created, DetailChanges(expires_at=later))
    held = await completed_session(storage, expires_at=soon, hold=True)
    removed = await storage.change(
        await completed_session(storage, expires_at=soon), DetailChanges(expires_at=None)
    )
    assert removed.expires_at is None
    assert await expired_at(storage, now) == set()
    assert await expired_at(storage, soon) == {changed.session_id}
    completed = await recording.complete(LATER)
    assert await expired_at(storage, soon) == {changed.session_id, completed.session_id}
    assert await expired_at(storage, later) == {
        changed.session_id, completed.session_id, postponed.session_id,
    }  # fmt: skip
    await storage.change(held, DetailChanges(hold=False))
    await storage.delete(changed)
    assert await expired_at(storage, soon) == {completed.session_id, held.session_id}


async def test_manifests_are_listed_newest_first_in_pages(storage: Storage) -> None:
    made = [(await storage.create(new_manifest())).manifest.session_id for _ in range(5)]
    first = await storage.manifests(limit=2)
    second = await storage.manifests(limit=2, cursor=UUID(first.next_cursor or ""))
    third = await storage.manifests(limit=2, cursor=UUID(second.next_cursor or ""))
    pages = [[manifest.session_id for manifest in p.manifests] for p in (first, second, third)]
    assert pages == [made[:2:-1], made[2:0:-1], made[:1]]
    assert third.next_cursor is None


async def test_manifests_are_filtered_by_status_and_user(storage: Storage) -> None:
    ours = await storage.create(new_manifest(user_id="ours"))
    done = await storage.create(new_manifest(user_id="ours"))
    await storage.create(new_manifest(user_id="theirs"))
    await done.complete(LATER)

    async def found(status: str | None, user_id: str | None) -> list[str]:
        filters = Filters(status=status, user_id=user_id)  # type: ignore[arg-type]
        page = await storage.manifests(filters, limit=10)
        return [manifest.session_id for manifest in page.manifests]

    assert await found("completed", None) == [done.manifest.session_id]
    assert await found(None, "ours") == [done.manifest.session_id, ours.manifest.session_id]
    assert await found("active", "ours") == [ours.manifest.session_id]


async def test_manifests_are_found_by_text_metadata_and_time_in_either_order(
    storage: Storage,
) -> None:
    board = await storage.create(new_manifest(title="Board", metadata={"room": "1"}))
    await board.complete(LATER)
    plain = await storage.create(new_manifest(user_id="boarder"))
    changed = await storage.create(new_manifest(metadata={"room": "12"}))
    await changed.change(DetailChanges(title="On BOARD"))
    ids = [each.manifest.session_id for each in (board, plain, changed)]
    times = [datetime.fromtimestamp((UUID(each).int >> 80) / 1000, UTC) for each in ids]

    async def found(limit: int = 10, **filters: Any) -> list[int]:
        numbers: list[int] = []
        cursor = None
        while True:
            page = await storage.manifests(Filters(**filters), limit=limit, cursor=cursor)
            numbers += [ids.index(manifest.session_id) for manifest in page.manifests]
            if page.next_cursor is None:
                return numbers
            cursor = UUID(page.next_cursor)

    assert await found(text="board") == [2, 1, 0]
    assert await found(text="board", is_oldest_first=True, limit=1) == [0, 1, 2]
    assert await found(text="board", status="completed") == [0]
    assert await found(text=ids[1]) == [1]
    assert await found(metadata={"room": "1"}) == [0]
    assert await found(metadata={"room": "12"}, status="active") == [2]
    assert await found(created_from=times[0], is_oldest_first=True) == [0, 1, 2]
    assert await found(created_to=times[0]) == []
    assert await found(text="nothing") == []
    # Sessions of the same millisecond are all before or all after a time.
    assert await found(created_from=times[2]) == [2, 1, 0][: times.count(times[2])]


async def test_manifests_are_filtered_by_warnings_also_of_active_sessions(
    storage: Storage,
) -> None:
    clean, warned, growing = [await storage.create(new_manifest()) for _ in range(3)]
    for recording in (warned, growing):
        recording.append(b"", recording.checkpoint.warned("decode_failed", "no frames", frame=0))
    await growing.flush()
    await warned.complete(LATER)

    async def found(**filters: Any) -> list[str]:
        page = await storage.manifests(Filters(**filters), limit=10)
        return [manifest.session_id for manifest in page.manifests]

    ids = [each.manifest.session_id for each in (clean, warned, growing)]
    assert await found(has_warnings=True) == [ids[2], ids[1]]
    assert await found(has_warnings=True, status="active") == [ids[2]]
    assert await found(has_warnings=False) == [ids[0]]
    assert await found() == ids[::-1]


@pytest.mark.parametrize("channels", [1, 2])
async def test_the_waveform_of_a_completed_recording_matches_its_audio(
    storage: Storage, channels: int
) -> None:
    recording = await storage.create(new_manifest(channels=channels))
    data = pcm(16000, channels=channels)
    for start in range(0, len(data), 1000):
        append(recording, data[start : start + 1000])
        if start % 7000 == 0:
            await recording.flush()
    await recording.complete(LATER)
    found = await (await completed_audio(storage, recording)).peaks()
    assert found == waveform(data, channels)


async def test_the_waveform_of_an_active_recording_matches_its_snapshot(
    storage: Storage,
) -> None:
    recording = await storage.create(new_manifest())
    data = pcm(4000)
    for start in range(0, len(data), 500):
        before = await recording.audio()
        append(recording, data[start : start + 500])
        assert await before.peaks() == waveform(data[:start])
        after = await recording.audio()
        assert await after.peaks() == waveform(data[: start + 500])
        if start % 1500 == 0:
            await recording.flush()
    before = await recording.audio()
    await recording.complete(LATER)
    assert await before.peaks() == waveform(data)


async def test_a_recording_without_audio_has_an_empty_waveform(storage: Storage) -> None:
    recording = await storage.create(new_manifest())
    assert await (await recording.audio()).peaks() == waveform(b"")
    await recording.complete(LATER)
    assert await (await completed_audio(storage, recording)).peaks() == waveform(b"")


@pytest.mark.parametrize("way", ["release", "crash"])
async def test_a_recording_taken_over_has_a_complete_waveform(
    open_storage: Callable[[], Storage], way: str
) -> None:
    storage = open_storage()
    await storage.start()
    recording = await storage.create(new_manifest())
    data = pcm(5000)
    append(recording, data[:3000])
    await recording.flush()
    append(recording, data[3000:5000])
    recording.write_ahead(pcm(2000, seed=9))  # no append covers it
    if way == "release":
        await recording.release()
    storage = await crash(storage, recording, open_storage)
    recording = await opened(storage, recording)
    assert await (await recording.audio()).peaks() == waveform(data[:5000])
    append(recording, data[5000:])
    assert await (await recording.audio()).peaks() == waveform(data)
    await recording.complete(LATER)
    assert await (await completed_audio(storage, recording)).peaks() == waveform(data)
    await storage.stop()


async def test_a_deleted_session_is_not_found(storage: Storage) -> None:
    recording = await storage.create(new_manifest())
    active = recording.manifest
    completed = await recording.complete(LATER)
    await storage.delete(completed)
    page = await storage.manifests(limit=10)
    assert page.manifests == []
    with pytest.raises(RecordingNotFoundError):
        await storage.manifest(id_of(recording))
    for manifest in (active, completed):
        with pytest.raises(RecordingNotFoundError):
            await storage.open(manifest)
    await storage.delete(completed)  # an interrupted deletion can be repeated


async def test_an_unknown_session_is_not_found(storage: Storage) -> None:
    with pytest.raises(RecordingNotFoundError):
        await storage.manifest(UNKNOWN)
    with pytest.raises(RecordingNotFoundError):
        await storage.open(new_manifest(session_id=str(UNKNOWN)))


async def test_a_session_completed_after_its_manifest_was_read_is_not_opened(
    storage: Storage,
) -> None:
    recording = await storage.create(new_manifest())
    append(recording, pcm(100))
    read_before = await storage.manifest(id_of(recording))
    completed = await recording.complete(LATER)
    for manifest in (read_before, completed):
        with pytest.raises(RecordingNotFoundError):
            await storage.open(manifest)
    assert (await storage.manifest(id_of(recording))).status == "completed"
    assert await content(await storage.audio(completed), 80) == pcm(100)


async def test_audio_is_complete_after_a_concurrent_completion_and_clean_up(
    open_storage: Callable[[], Storage],
) -> None:
    storage = open_storage()
    await storage.start()
    recording = await storage.create(new_manifest())
    append(recording, pcm(100))
    read_before = await storage.manifest(id_of(recording))
    await recording.complete(LATER)
    await storage.stop()  # waits for the clean-up
    storage = open_storage()
    await storage.start()
    assert await content(await storage.audio(read_before), 80) == pcm(100)
    await storage.stop()


async def test_a_released_session_is_read_without_being_taken_over(
    open_storage: Callable[[], Storage],
) -> None:
    storage = open_storage()
    await storage.start()
    recording = await storage.create(new_manifest())
    append(recording, pcm(100, seed=1))
    await recording.flush()
    await recording.release()
    manifest = await storage.manifest(id_of(recording))
    assert await storage.owner(manifest) is None
    assert await storage.progress(manifest) == Progress(Checkpoint(1, 200), Checkpoint(1, 200))
    audio = await storage.audio(manifest)
    assert await content(audio) == wav.header(PcmFormat(16000, 1), 200) + pcm(100, seed=1)
    assert await audio.peaks() == waveform(pcm(100, seed=1))
    assert await storage.active_sessions() == [id_of(recording)]
    await (await storage.open(manifest)).release()
    await storage.stop()


async def aged(storage: Storage, session_id: UUID) -> tuple[list[AgedSession], list[datetime]]:
    """Return the sessions below an id, and the times that the store showed."""
    pages = [page async for page in storage.sessions_below(session_id)]
    times = [page.store_time for page in pages if page.store_time is not None]
    return [session for page in pages for session in page.sessions], times


async def test_sessions_are_found_by_age_with_the_time_of_the_store(storage: Storage) -> None:
    active, first, second, later = [await storage.create(new_manifest()) for _ in range(4)]
    begin = datetime.now(UTC) - timedelta(seconds=2)  # stores tell whole seconds
    for each in (first, second, later):
        await each.complete(LATER)
    found, times = await aged(storage, id_of(later))
    end = datetime.now(UTC) + timedelta(seconds=2)
    assert [each.session_id for each in found] == [id_of(each) for each in (active, first, second)]
    for session in found[1:]:
        assert session.stored_at is not None
        assert begin < session.stored_at < end
    for shown in times:
        assert begin < shown < end
    await active.release()


async def test_completed_sessions_are_deleted_together(
    storage: Storage, open_storage: Callable[[], Storage]
) -> None:
    completed = [await storage.create(new_manifest()) for _ in range(3)]
    for recording in completed:
        append(recording, pcm(100))
        await recording.complete(LATER)
    left = await storage.create(new_manifest())
    await left.complete(LATER)
    found, _ = await aged(storage, id_of(left))
    wanted = [(each, await storage.manifest(each.session_id)) for each in found]
    assert await storage.delete_completed(wanted) == {}
    for recording in completed:
        with pytest.raises(RecordingNotFoundError):
            await storage.manifest(id_of(recording))
    assert [each.session_id for each in (await storage.manifests(limit=5)).manifests] == [
        left.manifest.session_id
    ]
    assert (await storage.manifest(id_of(left))).status == "completed"
    assert await storage.delete_completed(wanted) == {}  # it can be repeated
    assert await storage.active_sessions() == []


async def test_only_completed_audio_has_a_link(storage: Storage) -> None:
    recording = await storage.create(new_manifest())
    assert await storage.link(recording.manifest, 60, LATER) is None
    await recording.complete(LATER)


async def test_sessions_are_independent(storage: Storage) -> None:
    recordings = await asyncio.gather(*(storage.create(new_manifest()) for _ in range(8)))
    for turn in range(5):
        for seed, recording in enumerate(recordings):
            append(recording, pcm(50, seed=seed * 10 + turn))
    await asyncio.gather(*(recording.complete(LATER) for recording in recordings))
    for seed, recording in enumerate(recordings):
        audio = await completed_audio(storage, recording)
        expected = b"".join(pcm(50, seed=seed * 10 + turn) for turn in range(5))
        assert await content(audio, 80) == expected


async def test_the_storage_check_leaves_no_files(storage: Storage) -> None:
    await storage.check()
    page = await storage.manifests(limit=10)
    assert page.manifests == []
    assert await storage.active_sessions() == []


async def test_the_location_names_the_session(storage: Storage) -> None:
    recording = await storage.create(new_manifest())
    assert storage.location(id_of(recording)).endswith(f"{id_of(recording)}.wav")


@pytest.mark.engine
async def test_an_outbox_entry_is_written_whole_replaced_read_and_removed(
    storage: Storage,
) -> None:
    outbox = storage.outbox
    place = Place(await outbox.claim(), FIRST_SLOT, "an-event")
    with pytest.raises(RecordingNotFoundError):
        await outbox.get(place)
    await outbox.put(place, b"first")
    await outbox.put(place, b"second")
    assert await outbox.get(place) == b"second"
    assert await outbox.page(place.node, 10) == [place]
    await outbox.remove(place)
    await outbox.remove(place)
    assert await outbox.page(place.node, 10) == []


async def test_a_page_of_the_outbox_has_the_entries_of_the_earliest_slots(
    storage: Storage,
) -> None:
    outbox, node = storage.outbox, await storage.outbox.claim()
    places = [Place(node, slot, f"event-{n}") for slot in (40, 7, FIRST_SLOT) for n in range(3)]
    await asyncio.gather(*(outbox.put(place, b"{}") for place in places))
    assert [place.slot for place in await outbox.page(node, 5)] == [0, 0, 0, 7, 7]
    assert sorted(await outbox.page(node, 100)) == sorted(places)
    assert await outbox.page(DEAD, 100) == []


async def test_a_node_keeps_its_outbox_after_a_restart(open_storage: Callable[[], Storage]) -> None:
    found = []
    for _ in range(2):
        storage = open_storage()
        await storage.start()
        found.append(await storage.outbox.claim())
        if len(found) == 1:
            await storage.outbox.put(Place(found[0], FIRST_SLOT, "an-event"), b"{}")
        else:
            assert await storage.outbox.page(found[0], 10) == [
                Place(found[0], FIRST_SLOT, "an-event")
            ]
        await storage.stop()
    assert found[0] == found[1]


async def test_entries_of_nodes_that_do_not_live_are_adopted_and_dead_ones_are_not(
    storage: Storage,
) -> None:
    outbox, own = storage.outbox, await storage.outbox.claim()
    gone = "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"
    for node in (gone, DEAD, RETRIED, own):
        await outbox.put(Place(node, FIRST_SLOT, "an-event"), b"{}")
    assert await outbox.abandoned() == [gone, RETRIED]
    assert await outbox.nodes() == sorted([gone, DEAD, RETRIED, own])


@pytest.mark.engine
def test_every_backend_but_the_long_ones_was_tested() -> None:
    assert _ran >= BACKENDS.keys() - LONG_BACKENDS


@pytest.mark.long
def test_every_long_backend_was_tested() -> None:
    assert _ran >= LONG_BACKENDS


async def test_a_session_of_a_newer_release_is_left_alone_and_hides_no_other(
    open_storage: Callable[[], Storage], replace_manifest: ReplaceManifest
) -> None:
    first = open_storage()
    await first.start()
    newer, own = [await first.create(new_manifest()) for _ in range(2)]
    append(newer, pcm(10))
    await newer.release()
    await own.release()
    await first.stop()
    newer_id = UUID(newer.manifest.session_id)
    before = manifests.encode(msgspec.structs.replace(newer.manifest, version=VERSION + 1))
    replace_manifest(newer.manifest.session_id, before)
    second = open_storage()
    await second.start()
    assert UUID(own.manifest.session_id) in await second.active_sessions()
    with pytest.raises(BadObjectError):
        await second.manifest(newer_id)
    page = await second.manifests(limit=10)
    assert [each.session_id for each in page.manifests] == [own.manifest.session_id]
    await second.stop()
    replace_manifest(newer.manifest.session_id, manifests.encode(newer.manifest))
    third = open_storage()
    await third.start()
    reopened = await third.open(await third.manifest(newer_id))
    assert reopened.checkpoint.pcm_bytes == 20
    await reopened.release()
    await third.stop()
