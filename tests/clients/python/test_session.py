"""Sessions of the client against real services: no chunk is lost or repeated after faults."""

import asyncio
import logging
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from sercuescribe_client import (
    ChunkTooLargeError,
    Client,
    ConnectionReplacedError,
    GaveUpError,
    InvalidParameterError,
    Limits,
    Progress,
    Session,
    SessionCompletedError,
    SessionDeletedError,
    SessionNotFoundError,
    UnreachableError,
)
from tests.audio import cut, cut_anywhere, decode, encode, pcm, speech
from tests.eventually import eventually
from tests.parameters import long_except_first
from tests.proxy import cutting_proxy
from tests.service import Service

_INPUTS = {
    "pcm": lambda: pcm(44100 * 8),
    "webm": lambda: encode(speech(), "-c:a", "libopus", "-f", "webm"),
}


async def until(session: Session, condition: Callable[[Progress], bool]) -> None:
    async for progress in session:
        if condition(progress):
            return


@pytest.mark.parametrize("kind", long_except_first(_INPUTS))
async def test_a_recording_is_exact_after_crashes_and_cuts(
    kind: str, start_service: Callable[..., Service]
) -> None:
    data = _INPUTS[kind]()
    chunks = list(cut_anywhere(data, seed=1, largest=max(len(data) // 40, 16)))
    service = start_service(sync_interval_seconds=0.2)
    step = -(-len(chunks) // 6)
    async with (
        cutting_proxy(service) as proxy,
        Client(f"http://127.0.0.1:{proxy.port}") as client,
        client.create() as session,
    ):
        for turn, start in enumerate(range(0, len(chunks), step)):
            for chunk in chunks[start : start + step]:
                await session.send(chunk)
            await until(session, lambda progress, least=start: progress.acked > least)  # type: ignore[misc]
            if turn % 2:
                proxy.cut()
            else:
                service.kill()
                await asyncio.to_thread(service.start)
        final = await session.close()
    expected = data if kind == "pcm" else decode(data, sample_rate=44100)
    assert service.pcm(session.session_id) == expected
    assert final.chunks == final.acked == final.persisted == len(chunks)
    assert final.unpersisted_bytes == 0


async def test_a_crash_at_full_speed_loses_nothing(
    start_service: Callable[..., Service],
) -> None:
    service, data = start_service(), pcm(20_000_000)
    async with Client(service.url) as client, client.create() as session:

        async def crash() -> None:
            await until(session, lambda progress: progress.acked > 100)
            service.kill()
            await asyncio.to_thread(service.start)

        crashing = asyncio.create_task(crash())
        for chunk in cut(data, 50_001):
            await session.send(chunk)
        await crashing
    assert service.pcm(session.session_id) == data


async def test_two_sessions_at_full_speed_are_exact(client: Client, service: Service) -> None:
    async def record(seed: int) -> None:
        data = pcm(5_000_000, seed=seed)
        async with client.create(sample_rate=48000) as session:
            for chunk in cut(data, 65_536 + seed):
                await session.send(chunk)
        assert await asyncio.to_thread(service.pcm, session.session_id) == data

    async with asyncio.TaskGroup() as group:
        group.create_task(record(1))
        group.create_task(record(2))


async def test_send_waits_for_a_paused_service(
    start_service: Callable[..., Service],
) -> None:
    service, data, limit = start_service(), pcm(10_000_000), 2**20
    async with (
        Client(service.url, limits=Limits(max_unpersisted_bytes=limit)) as client,
        client.create() as session,
    ):
        os.kill(service.pid, signal.SIGSTOP)
        pieces = cut(data, 10_000)

        async def send_all() -> None:
            for piece in pieces:
                await session.send(piece)
                assert session.progress.unpersisted_bytes <= limit

        sending = asyncio.create_task(send_all())
        await eventually(
            lambda: session.progress.unpersisted_bytes,
            lambda count: count >= limit - 11_000,
            awaiting="unpersisted audio up to the limit",
        )
        assert not sending.done()
        os.kill(service.pid, signal.SIGCONT)
        await sending
    assert service.pcm(session.session_id) == data


async def test_a_slow_reader_of_the_progress_gets_the_newest_without_delay(
    client: Client, service: Service
) -> None:
    seen: list[Progress] = []

    async def watch(session: Session) -> None:
        async for progress in session:
            seen.append(progress)
            await asyncio.sleep(0.05)  # a reader slower than the acknowledgements

    async with client.create() as session:
        watching = asyncio.create_task(watch(session))
        for chunk in cut(pcm(500_000), 1000):
            await session.send(chunk)
    await watching
    assert len(seen) < 1000 == seen[-1].acked
    assert seen == sorted(seen, key=lambda progress: progress.acked)


async def test_flush_returns_after_all_chunks_are_persisted(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(sync_interval_seconds=3600)
    async with Client(service.url) as client, client.create() as session:
        await session.send(pcm(1000))
        await session.flush()
        assert session.progress.persisted == 1
        assert session.progress.unpersisted_bytes == 0


async def test_the_persisted_count_is_updated_without_a_flush(client: Client) -> None:
    async with client.create() as session:
        await session.send(pcm(1000))
        await until(session, lambda progress: progress.persisted == 1)


async def test_a_session_left_with_an_exception_can_be_continued(
    client: Client, service: Service
) -> None:
    data = pcm(2000)
    with pytest.raises(ZeroDivisionError):
        async with client.create() as session:
            await session.send(data[:1000])
            await session.flush()
            raise ZeroDivisionError
    assert (await client.info(session.session_id)).status == "active"
    async with client.attach(session.session_id) as again:
        await again.send(data[1000:])
    assert again.progress.chunks == 2
    assert service.pcm(session.session_id) == data


async def test_giving_up_reports_the_counts_reached(
    start_service: Callable[..., Service],
) -> None:
    service = start_service()
    with pytest.raises(GaveUpError, match="1 of 2 chunks acknowledged") as failed:
        async with (
            Client(service.url, limits=Limits(retry_timeout_seconds=0.5)) as client,
            client.create() as session,
        ):
            await session.send(pcm(10))
            await until(session, lambda progress: progress.acked == 1)
            service.kill()
            await session.send(pcm(10))
    assert failed.value.session_id == session.session_id
    assert isinstance(failed.value.__cause__, UnreachableError)
    with pytest.raises(GaveUpError):
        await session.send(pcm(10))


async def test_a_session_that_cannot_be_created_raises_the_reason(client: Client) -> None:
    with pytest.raises(InvalidParameterError) as failed:
        async with client.create(sample_rate=11025):
            pass
    assert failed.value.code == "invalid_sample_rate"
    assert 44100 in failed.value.valid_values
    with pytest.raises(SessionNotFoundError):
        async with client.attach("019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"):
            pass


async def test_a_replaced_connection_does_not_reconnect(client: Client) -> None:
    with pytest.raises(ConnectionReplacedError):
        async with client.create() as first, client.attach(first.session_id):
            await until(first, lambda _: False)
    assert (await client.info(first.session_id)).status == "active"


async def test_a_chunk_that_is_too_large_is_an_error(start_service: Callable[..., Service]) -> None:
    service = start_service(max_chunk_size_mb=1)
    with pytest.raises(ChunkTooLargeError):
        async with Client(service.url) as client, client.create() as session:
            await session.send(bytes(2 * 2**20))


async def test_a_session_deleted_or_completed_elsewhere_is_an_error(client: Client) -> None:
    with pytest.raises(SessionDeletedError):
        async with client.create() as session:
            await client.delete(session.session_id)
            await until(session, lambda _: False)
    with pytest.raises(SessionCompletedError):
        async with client.create() as session:
            await client.close(session.session_id)
            await until(session, lambda _: False)
            await session.send(pcm(1))


async def test_a_decode_error_is_reported_and_the_session_continues(client: Client) -> None:
    async with client.create() as session:
        await session.send(b"RIFF\0\0\0\0WAVEdata\4\0\0\0")
        await session.send(bytes(4))
        await until(session, lambda progress: progress.acked == 2)
        assert session.decode_error is not None
        assert session.decode_error.code == "decode_failed"
        (warning,) = session.warnings
        assert (warning.code, warning.chunk_count) == ("decode_failed", 1)
    info = await client.info(session.session_id)
    assert info.warnings == session.warnings
    assert info.warning_count == 1
    found = [each.session_id async for each in client.list(has_warnings=True)]
    assert session.session_id in found
    clean = [each.session_id async for each in client.list(has_warnings=False)]
    assert session.session_id not in clean


async def test_the_loss_of_a_node_with_its_disk_loses_nothing(
    on_bucket: Callable[..., Service], tmp_path: Path
) -> None:
    """The client sends acknowledged but unpersisted chunks again to the node that takes over."""
    first, second = (on_bucket(segment_seconds=3600, lease_seconds=5) for _ in range(2))
    data = pcm(500_000)
    pieces = list(cut(data, 10_000))
    async with (
        cutting_proxy(first) as proxy,
        Client(f"http://127.0.0.1:{proxy.port}") as client,
    ):
        async with client.create() as session:
            for piece in pieces[:40]:
                await session.send(piece)
            await session.flush()
            for piece in pieces[40:70]:
                await session.send(piece)
            await until(session, lambda progress: progress.acked == 70)
            assert session.progress.persisted == 40
            first.kill()
            shutil.rmtree(first.folder)
            proxy.service = second
            for piece in pieces[70:]:
                await session.send(piece)
        # The link goes to the bucket, which accepts only the credentials in the link.
        path = await client.download(session.session_id, tmp_path / "x.wav")
    assert path.read_bytes()[80:] == data


async def test_nothing_is_recorded_between_pause_and_resume(
    client: Client, service: Service
) -> None:
    async with client.create() as session:
        await session.send(pcm(1000, seed=1))
        await session.pause()
        assert (await client.info(session.session_id)).paused
        await session.send(pcm(1000, seed=2))
        await session.resume()
        await session.send(pcm(1000, seed=3))
        await session.mark("the end")
    assert service.pcm(session.session_id) == pcm(1000, seed=1) + pcm(1000, seed=3)
    assert session.verification.result == "unknown"
    assert "paused" in session.verification.reason
    timeline = await client.timeline(session.session_id)
    assert [each["chunks"] for each in timeline["pauses"]] == [1]
    assert [(each["label"], each["frame"]) for each in timeline["marks"]] == [("the end", 2000)]


async def test_a_client_learns_that_another_one_has_paused_the_session_or_resumed_it(
    client: Client, service: Service
) -> None:
    async with client.create() as session:
        seen = []
        for action in ("pause", "resume", "pause"):
            service.post(f"/api/audio/sessions/{session.session_id}/{action}")
            await session.send(pcm(1000))
            await session.flush()
            seen.append(session.progress.is_paused)
        await session.detach()
        async with client.attach(session.session_id) as again:  # the greeting says so
            seen.append(again.progress.is_paused)
            await again.resume()
            seen.append(again.progress.is_paused)
    assert seen == [True, False, True, True, False]


async def test_a_chunk_that_is_not_bytes_is_refused_with_its_type(client: Client) -> None:
    async with client.create() as session:
        for chunk in ("text", 4, [1, 2]):
            with pytest.raises(TypeError, match=f"not {type(chunk).__name__}"):
                await session.send(chunk)  # type: ignore[arg-type]
    assert session.progress.chunks == 0


async def test_the_text_of_a_session_has_its_id_and_counts(client: Client) -> None:
    session = client.create()
    assert repr(session) == "<Session not open: 0 of 0 chunks acknowledged, 0 persisted>"
    async with session:
        assert session.session_id in repr(session)


async def test_a_cancelled_session_leaves_no_task_and_stays_active(
    service: Service, client: Client
) -> None:
    opened: asyncio.Future[Session] = asyncio.get_running_loop().create_future()

    async def record() -> None:
        async with client.create() as session:
            opened.set_result(session)
            await asyncio.Event().wait()

    before = asyncio.all_tasks()
    task = asyncio.create_task(record())
    session = await opened
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == before
    info = await asyncio.to_thread(service.get, f"/api/audio/sessions/{session.session_id}")
    assert info.json()["status"] == "active"


async def test_connections_and_retries_are_logged(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "sercuescribe_client"):
        async with client.create() as session:
            pass
    assert f"Session {session.session_id} connected" in caplog.messages
