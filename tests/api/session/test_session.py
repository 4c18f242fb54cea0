"""Order, counts and states of one session."""

import asyncio
import errno
import json
import os
import random
from pathlib import Path
from typing import Any

import psutil
import pytest

from api.audio.formats import DecodeError, DecoderLostError
from api.session.core import SessionLimits, SessionState
from api.session.found import Live
from api.session.parameters import AudioParameters
from api.session.registry import Registry
from api.session.session import Session
from api.wire.errors import (
    ConnectionReplacedError,
    SessionCompletedError,
    SessionDeletedError,
    TooManyConnectionsError,
    WireError,
    to_wire_error,
)
from api.wire.messages import SessionInfo
from storage.checkpoint import Checkpoint, StreamCheckpoint
from storage.errors import StorageUnavailableError, SyncFailedError
from storage.local import LocalStorage
from storage.pcm import Buffer
from storage.volume.disk import Disk
from storage.volume.recording import VolumeRecording
from storage.warning import UNPERSISTED_AUDIO_LOST
from tests.api.conftest import PARAMETERS, ConnectionProbe, new_registry
from tests.audio import chunk, cut, decode, encode, pcm, speech, wav
from tests.conftest import ManualClock
from tests.eventually import eventually, start_task
from tests.service import children_of


def recorded(session: Session) -> bytes:
    return Path(session.info().file_path).read_bytes()[80:]


async def send(session: Session, connection: ConnectionProbe, *chunks: bytes) -> None:
    for piece in chunks:
        if not session.receive_now(connection, piece):
            await session.receive(connection, piece)


async def reopened(registry: Registry, session: Session) -> Session:
    return await registry.open(await registry.lookup(str(session.session_id)))


async def test_a_received_chunk_is_in_the_file(
    session: Session, connection: ConnectionProbe
) -> None:
    for number, piece in enumerate(cut(pcm(1000), 300), 1):
        await send(session, connection, piece)
        assert session.counts().chunk_count == number
        assert recorded(session) == pcm(1000)[: 300 * number]


async def test_the_counts_of_a_session_are_exact(
    session: Session, connection: ConnectionProbe
) -> None:
    await send(session, connection, pcm(22050), b"", pcm(11025))
    info = session.info()
    assert (info.total_chunks, info.persisted_chunk_count) == (3, 0)
    assert info.duration_seconds == 1.5
    assert info.connections == 1
    await session.flush()
    assert session.counts().persisted_chunk_count == 3


async def test_half_a_frame_is_recorded_with_the_other_half(
    session: Session, connection: ConnectionProbe
) -> None:
    await send(session, connection, b"\x01")
    assert recorded(session) == b""
    await send(session, connection, b"\x02\x03")
    assert recorded(session) == b"\x01\x02"


async def test_consecutive_wav_files_are_joined(
    session: Session, connection: ConnectionProbe
) -> None:
    files = [wav(pcm(100, seed=seed), sample_rate=22050) for seed in range(3)]
    await send(session, connection, *files)
    assert recorded(session) == b"".join(file[44:] for file in files)


async def test_consecutive_files_of_any_layout_are_joined_in_order(
    session: Session, connection: ConnectionProbe
) -> None:
    deep = encode(speech(), "-c:a", "pcm_s24le", "-f", "wav")
    plain = wav(pcm(100), sample_rate=22050)
    await send(session, connection, deep, plain, deep)
    await session.close()
    expected = decode(deep, sample_rate=22050)
    assert recorded_after(session) == expected + pcm(100) + expected


async def test_chunks_of_two_connections_are_appended_as_they_arrive(
    session: Session, connection: ConnectionProbe
) -> None:
    other = ConnectionProbe()
    await session.attach(other)
    await send(session, connection, pcm(10, seed=1))
    await send(session, other, pcm(10, seed=2))
    await send(session, connection, pcm(10, seed=3))
    assert recorded(session) == pcm(10, seed=1) + pcm(10, seed=2) + pcm(10, seed=3)
    assert session.counts().chunk_count == 3


async def test_each_connection_aligns_frames_on_its_own(
    session: Session, connection: ConnectionProbe
) -> None:
    other = ConnectionProbe()
    await session.attach(other)
    await send(session, connection, b"\x01")
    await send(session, other, b"\x11")
    await send(session, connection, b"\x02")
    await send(session, other, b"\x12")
    assert recorded(session) == b"\x01\x02\x11\x12"


async def test_a_session_limits_the_number_of_its_connections(session: Session) -> None:
    for _ in range(3):
        await session.attach(ConnectionProbe())
    with pytest.raises(TooManyConnectionsError):
        await session.attach(ConnectionProbe())


async def test_a_chunk_that_is_not_audio_counts_and_the_next_file_is_recorded(
    session: Session, connection: ConnectionProbe
) -> None:
    with pytest.raises(DecodeError):
        await send(session, connection, b"RIFF\0\0\0\0WAVE" + chunk(b"data", bytes(8)))
    with pytest.raises(DecodeError):
        await send(session, connection, pcm(10))
    assert session.counts().chunk_count == 2
    await send(session, connection, wav(pcm(10), sample_rate=22050))
    assert session.counts().chunk_count == 3
    assert recorded(session) == pcm(10)
    assert session.info().error is not None


BAD_WAV = b"RIFF\0\0\0\0WAVE" + chunk(b"fmt ", bytes(16)) + chunk(b"data", bytes(8))


async def test_a_stream_that_fails_is_one_warning_however_many_chunks_follow(
    session: Session, connection: ConnectionProbe
) -> None:
    await send(session, connection, pcm(22050))
    for piece in (BAD_WAV, pcm(10), pcm(10)):
        with pytest.raises(DecodeError):
            await send(session, connection, piece)
    (warning,) = session.info().warnings
    assert (warning.code, warning.chunk_count, warning.frame) == ("decode_failed", 2, 22050)
    assert warning.message == session.info().error
    assert session.info().warning_count == 1


async def test_a_failed_stream_is_one_warning_after_the_session_was_opened_again(
    registry: Registry, session: Session, connection: ConnectionProbe
) -> None:
    with pytest.raises(DecodeError):
        await send(session, connection, BAD_WAV)
    before = session.info().warnings
    await session.release()
    session = await reopened(registry, session)
    successor = ConnectionProbe()
    await session.resume(successor)
    with pytest.raises(DecodeError):
        await send(session, successor, pcm(10))
    info = await session.close()
    assert info is not None
    assert (info.warnings, info.warning_count) == (before, 1)


async def test_damage_is_a_warning_once_while_the_stream_goes_on(
    registry: Registry, connection: ConnectionProbe
) -> None:
    mp3 = AudioParameters(sample_rate=22050, channels=1, format="mp3")
    session = await registry.create(mp3, None)
    await session.attach(connection)
    junk = b"\x01" + random.Random(1).randbytes(4095)
    async with asyncio.timeout(60):
        while not session.warnings.total:
            await send(session, connection, junk)
    (warning,) = session.warnings.first
    assert warning.code == "decode_failed"
    assert 0 < warning.chunk_count == session.counts().chunk_count
    good = encode(speech(), "-f", "mp3")
    await send(session, connection, *cut(good, 4096))
    info = await session.close()
    assert info is not None
    assert (info.warnings, info.warning_count) == ((warning,), 1)
    assert info.duration_seconds > 3


async def test_a_file_that_is_not_offered_is_refused_in_the_answer_to_its_first_chunk(
    session: Session, connection: ConnectionProbe
) -> None:
    with pytest.raises(DecodeError, match="AIFF is not offered"):
        await send(session, connection, encode(speech(), "-f", "aiff")[:4096])
    (warning,) = session.warnings.first
    assert (warning.code, warning.chunk_count) == ("unsupported_format", 1)
    await send(session, connection, wav(pcm(10), sample_rate=22050))
    assert recorded(session) == pcm(10)


async def test_damage_that_the_end_of_a_stream_reveals_is_in_the_final_information(
    session: Session, connection: ConnectionProbe
) -> None:
    await send(session, connection, b"fLaC" + bytes(3000))
    await session.close()
    assert connection.final is not None
    assert [each.code for each in connection.final.warnings] == ["decode_failed"]


@pytest.mark.parametrize("piece", [b"\x01", wav(b"", sample_rate=22050)])
async def test_input_without_a_frame_is_a_warning(
    session: Session, connection: ConnectionProbe, piece: bytes
) -> None:
    await send(session, connection, piece)
    info = await session.close()
    assert info is not None
    assert [each.code for each in info.warnings] == ["no_audio"]


async def test_a_session_that_got_only_empty_chunks_has_no_warning(
    session: Session, connection: ConnectionProbe
) -> None:
    await send(session, connection, b"", b"")
    info = await session.close()
    assert info is not None
    assert info.warning_count == 0


async def test_a_warning_is_in_the_information_and_in_the_manifest(
    registry: Registry, session: Session, connection: ConnectionProbe
) -> None:
    await send(session, connection, pcm(10))
    await session.warn("unpersisted_audio_lost", "chunks from number 7 on are missing")
    info = await session.close()
    assert info is not None
    stored = (await registry.lookup(str(session.session_id))).manifest
    assert info.warnings == stored.warnings == session.warnings.first
    assert [(each.code, each.chunk_count) for each in stored.warnings] == [
        ("unpersisted_audio_lost", 1)
    ]


async def test_a_dropped_stream_is_resumed_in_the_middle_of_a_frame(
    session: Session, connection: ConnectionProbe
) -> None:
    await send(session, connection, wav(pcm(100), sample_rate=22050)[:77])
    await session.detach(connection)
    again = ConnectionProbe()
    await session.resume(again)
    await send(session, again, wav(pcm(100), sample_rate=22050)[77:])
    assert recorded(session) == pcm(100)


async def test_a_new_connection_that_does_not_resume_begins_a_new_stream(
    session: Session, connection: ConnectionProbe
) -> None:
    await send(session, connection, pcm(10) + b"\x01")
    await session.detach(connection)
    again = ConnectionProbe()
    await session.attach(again)
    await send(session, again, wav(pcm(10, seed=2), sample_rate=22050))
    assert recorded(session) == pcm(10) + pcm(10, seed=2)


async def test_resuming_replaces_an_open_connection_and_continues_its_stream(
    session: Session, connection: ConnectionProbe
) -> None:
    await send(session, connection, b"\x01")

    async def end(error: Exception) -> None:
        connection.ended = error
        await session.detach(connection)

    connection.end = end  # type: ignore[method-assign]
    again = ConnectionProbe()
    await session.resume(again)
    assert isinstance(connection.ended, ConnectionReplacedError)
    await send(session, again, b"\x02")
    assert recorded(session) == b"\x01\x02"


async def test_a_second_drop_ends_the_stream_of_the_first(
    session: Session, connection: ConnectionProbe
) -> None:
    other = ConnectionProbe()
    await session.attach(other)
    deep = encode(speech(), "-c:a", "pcm_s24le", "-f", "wav")
    await send(session, connection, deep)
    await send(session, other, pcm(10))
    await session.detach(connection)
    await session.detach(other)
    assert len(recorded(session)) == len(decode(deep, sample_rate=22050)) + 20


async def test_closing_records_the_remaining_output_of_the_decoder(
    session: Session, connection: ConnectionProbe
) -> None:
    deep = encode(speech(), "-c:a", "pcm_s24le", "-f", "wav")
    await send(session, connection, *cut(deep, 5000))
    await session.close()
    assert recorded_after(session) == decode(deep, sample_rate=22050)


async def test_closing_gives_every_connection_the_final_counts(
    session: Session, connection: ConnectionProbe
) -> None:
    await send(session, connection, pcm(10))
    await session.close()
    assert connection.final is not None
    assert connection.final.status == "completed"
    assert connection.final.total_chunks == connection.final.persisted_chunk_count == 1


async def test_concurrent_calls_of_close_complete_the_session_once(
    session: Session, connection: ConnectionProbe
) -> None:
    await asyncio.gather(session.close(), session.close())
    await session.close()
    assert session.gone.is_set()


async def test_a_completed_session_refuses_chunks_and_connections(
    session: Session, connection: ConnectionProbe
) -> None:
    await session.close()
    with pytest.raises(SessionCompletedError):
        await send(session, connection, pcm(10))
    with pytest.raises(SessionCompletedError):
        await session.attach(ConnectionProbe())
    with pytest.raises(SessionCompletedError):
        await session.resume(ConnectionProbe())


async def test_deleting_a_session_ends_every_connection(
    session: Session, connection: ConnectionProbe
) -> None:
    await session.delete()
    assert isinstance(connection.ended, SessionDeletedError)


async def test_a_released_session_resumes_in_the_middle_of_an_ffmpeg_stream(
    session: Session, connection: ConnectionProbe, registry: Registry
) -> None:
    deep = encode(speech(), "-c:a", "pcm_s24le", "-f", "wav")
    pieces = list(cut(deep, 4096))
    await send(session, connection, *pieces[:20])
    await session.release()
    session = await reopened(registry, session)
    assert session.counts().chunk_count == 20
    again = ConnectionProbe()
    await session.resume(again)
    await send(session, again, *pieces[20:])
    await session.close()
    assert recorded_after(session) == decode(deep, sample_rate=22050)


class FailingStorage:
    """Makes three appends to the storage of a session fail."""

    def __init__(self, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        self.is_over = False
        append = VolumeRecording.append

        def failing(recording: VolumeRecording, pcm: Buffer, checkpoint: Checkpoint) -> None:
            if recording is session.recording:
                self._fail()
            append(recording, pcm, checkpoint)

        monkeypatch.setattr(VolumeRecording, "append", failing)

    def _fail(self) -> None:
        self.calls += 1
        if not self.is_over:
            self.is_over = self.calls == 3
            raise StorageUnavailableError("No space left on device")


async def test_a_short_storage_failure_loses_no_chunk(
    session: Session, connection: ConnectionProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    await send(session, connection, pcm(10, seed=1))
    trouble = FailingStorage(session, monkeypatch)
    await send(session, connection, pcm(10, seed=2))
    assert trouble.calls > 3
    assert recorded(session) == pcm(10, seed=1) + pcm(10, seed=2)
    assert session.counts().chunk_count == 2


async def test_a_lasting_storage_failure_keeps_every_acknowledged_chunk(
    session: Session,
    connection: ConnectionProbe,
    registry: Registry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await send(session, connection, pcm(10, seed=1))
    trouble = FailingStorage(session, monkeypatch)
    trouble.calls = 1000
    with pytest.raises(StorageUnavailableError):
        await send(session, connection, pcm(10, seed=2))
    await session.gone.wait()
    assert isinstance(connection.ended, StorageUnavailableError)
    session = await reopened(registry, session)
    assert session.counts().chunk_count == 1
    again = ConnectionProbe()
    await session.resume(again)
    await send(session, again, pcm(10, seed=2))
    assert recorded(session) == pcm(10, seed=1) + pcm(10, seed=2)


def recorded_after(session: Session) -> bytes:
    """Return the PCM of a completed session."""
    path = Path(session.info().file_path)
    assert json.loads(path.with_suffix(".json").read_text())["status"] == "completed"
    return path.read_bytes()[80:]


async def decoder_start_ended() -> None:
    """Return when no decoder is being started."""
    for task in asyncio.all_tasks():
        if task.get_name() == "decoder-start":
            await asyncio.wait([task])


async def test_a_decoder_that_cannot_be_started_loses_no_chunk(
    session: Session,
    connection: ConnectionProbe,
    registry: Registry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deep = encode(speech(), "-c:a", "pcm_s24le", "-f", "wav")
    chunks = 1
    with monkeypatch.context() as patch:
        patch.setattr("api.audio.ffmpeg.launcher.binary", lambda: "/nowhere/ffmpeg")
        with pytest.raises(DecoderLostError):
            for piece in cut(deep, 5000):
                await send(session, connection, piece)
                chunks += 1
                await decoder_start_ended()
        await session.gone.wait()
    assert isinstance(connection.ended, DecoderLostError)
    session = await reopened(registry, session)
    assert session.counts().chunk_count == chunks
    again = ConnectionProbe()
    await session.resume(again)
    await send(session, again, deep[5000 * chunks :])
    await session.close()
    assert recorded_after(session) == decode(deep, sample_rate=22050)


# A few kilobytes that decode to five minutes: decoding is still running when the test closes.
SILENCE = encode(wav(bytes(2 * 22050 * 300), sample_rate=22050), "-f", "flac")


async def test_closing_waits_for_a_stream_that_is_being_finished(
    session: Session, connection: ConnectionProbe
) -> None:
    await send(session, connection, SILENCE)
    await session.detach(connection)
    again = ConnectionProbe()
    attaching = await start_task(session.attach(again))
    await session.close()
    await asyncio.gather(attaching, return_exceptions=True)
    assert recorded_after(session) == bytes(2 * 22050 * 300)


def has_ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


async def test_a_killed_decoder_loses_no_chunk(
    session: Session, connection: ConnectionProbe, registry: Registry
) -> None:
    deep = encode(speech(), "-c:a", "pcm_s24le", "-f", "wav")
    pieces = list(cut(deep, 4096))
    await send(session, connection, *pieces[:10])
    (decoder,) = await children_of(psutil.Process())
    decoder.kill()
    await eventually(lambda: has_ended(decoder), awaiting="the end of the decoder")
    with pytest.raises(Exception, match="signal 9"):
        await send(session, connection, *pieces[10:])
    await session.gone.wait()
    session = await reopened(registry, session)
    have = session.counts().chunk_count
    assert have > 10
    again = ConnectionProbe()
    await session.resume(again)
    await send(session, again, *pieces[have:])
    await session.close()
    assert recorded_after(session) == decode(deep, sample_rate=22050)


async def test_connections_without_audio_leave_no_streams(session: Session) -> None:
    for _ in range(300):
        connection = ConnectionProbe()
        await session.attach(connection)
        await send(session, connection, b"")
        await session.detach(connection)
    checkpoint = session.recording.checkpoint
    assert (checkpoint.chunk_count, checkpoint.pcm_bytes, checkpoint.streams) == (300, 0, ())


async def test_the_second_of_two_concurrent_resumes_replaces_the_first(
    session: Session, connection: ConnectionProbe
) -> None:
    await send(session, connection, b"\x01")
    first, second = leaving(session), leaving(session)
    connection.end = ending(session, connection)  # type: ignore[method-assign]
    await asyncio.gather(session.resume(first), session.resume(second))
    assert isinstance(first.ended, ConnectionReplacedError)
    assert session.connections == [second]
    await send(session, second, b"\x02")
    assert recorded(session) == b"\x01\x02"


async def test_closing_during_a_release_does_not_report_the_session_as_completed(
    session: Session, connection: ConnectionProbe, registry: Registry
) -> None:
    await send(session, connection, pcm(10))
    releasing = await start_task(session.release())
    await session.close()
    await releasing
    assert session.state is SessionState.RELEASED
    assert (await registry.close(Live(session))).status == "completed"


async def test_a_final_message_that_fails_does_not_block_closing(
    session: Session, connection: ConnectionProbe
) -> None:
    async def fail(info: SessionInfo) -> None:
        raise RuntimeError("send failed")

    connection.end_completed = fail  # type: ignore[method-assign]
    await session.close()
    assert session.gone.is_set()


def ending(session: Session, connection: ConnectionProbe) -> Any:
    """Return an ``end`` that detaches a moment later, like that of a real connection."""

    async def end(error: Exception) -> None:
        connection.ended = error
        await asyncio.sleep(0)
        await session.detach(connection)

    return end


def leaving(session: Session) -> ConnectionProbe:
    connection = ConnectionProbe()
    connection.end = ending(session, connection)  # type: ignore[method-assign]
    return connection


async def test_after_a_failed_sync_the_client_learns_from_which_chunk_to_send_again(
    tmp_path: Path, clock: ManualClock
) -> None:
    failing: list[bool] = []

    def sync(fd: int) -> None:
        if failing:
            failing.pop()
            raise OSError(errno.EIO, "Input/output error")
        os.fdatasync(fd)

    storage = LocalStorage(tmp_path, sync_interval_seconds=3600, disk=Disk(sync=sync))
    await storage.start()
    registry = new_registry(storage, clock)
    session, connection = await registry.create(PARAMETERS, None), ConnectionProbe()
    await session.attach(connection)
    await send(session, connection, pcm(100, seed=1))
    await session.flush()
    await send(session, connection, pcm(100, seed=2), pcm(100, seed=3))
    failing.append(True)
    with pytest.raises(SyncFailedError):
        await session.flush()
    await session.gone.wait()
    assert connection.ended is not None
    assert to_wire_error(connection.ended) == WireError(
        "storage_failed", 503, 1011, "The disk failed: send again from chunk 2 on"
    )
    assert session.counts().persisted_chunk_count == 1

    session, connection = await reopened(registry, session), ConnectionProbe()
    await session.resume(connection)
    assert session.counts().chunk_count == session.counts().persisted_chunk_count == 1
    await send(session, connection, pcm(100, seed=2), pcm(100, seed=3))
    info = await session.close()
    assert info is not None
    assert [warning.code for warning in info.warnings] == [UNPERSISTED_AUDIO_LOST]
    assert recorded_after(session) == b"".join(pcm(100, seed=seed) for seed in (1, 2, 3))
    await storage.stop()


async def test_a_session_with_a_damaged_decoder_state_can_be_completed(
    registry: Registry, session: Session, connection: ConnectionProbe
) -> None:
    await send(session, connection, pcm(100))
    last = session.recording.checkpoint
    damaged = StreamCheckpoint(1, 0, 0, b"\xc1\xc1")
    session.recording.append(b"", last.advanced(damaged, chunks=0, pcm_bytes=0))
    await session.release()
    info = await (await reopened(registry, session)).close()
    assert info is not None
    assert info.error == "the saved state of the stream is damaged"
    assert recorded_after(session) == pcm(100)


@pytest.mark.parametrize("days", [40, -40])
async def test_a_clock_that_is_set_completes_no_session(
    storage: LocalStorage, clock: ManualClock, days: int
) -> None:
    limits = SessionLimits(max_session_duration_seconds=86_400, session_idle_timeout_seconds=1e9)
    registry = new_registry(storage, clock, limits=limits)
    session = await registry.create(PARAMETERS, None)
    await session.attach(ConnectionProbe())
    clock.set_by_seconds = days * 86_400
    assert not session.is_over()
    clock.seconds += 86_401
    assert session.is_over()
    await registry.shutdown()


async def test_the_final_message_and_the_information_say_the_same(session: Session) -> None:
    """A client that got the final message asks for the receipt at once."""
    found: list[SessionInfo] = []

    class AskingConnection(ConnectionProbe):
        async def end_completed(self, info: SessionInfo) -> None:
            found.extend([info, session.info()])

    connection = AskingConnection()
    await session.attach(connection)
    await send(session, connection, pcm(1000))
    await session.close()
    told, asked = found
    assert asked == told
    assert asked.receipt is not None
