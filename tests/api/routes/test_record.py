"""The WebSocket endpoints, over real sockets."""

import asyncio
import json
import random
import resource
from collections.abc import Callable
from typing import Any

import psutil
import pytest
from websockets.exceptions import ConnectionClosed

from tests.audio import chunk, cut, decode, encode, encode_silence, pcm, speech, wav
from tests.eventually import eventually
from tests.service import Service

UNKNOWN = "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"

BAD_WAV = b"RIFF\0\0\0\0WAVE" + chunk(b"data", bytes(8))


async def test_the_first_message_announces_the_new_session(service: Service) -> None:
    async with service.session(sample_rate=48000, channels=2, user_id="user123") as client:
        assert client.greeting == {
            "type": "session",
            "message": "Session created",
            "session_id": client.session_id,
            "chunk_count": 0,
            "status": "active",
            "persisted_chunk_count": 0,
            "duration_seconds": 0.0,
            "sample_rate": 48000,
            "channels": 2,
            "format": "wav",
            "paused": False,
        }
        info = service.get(f"/api/audio/sessions/{client.session_id}").json()
        assert (info["user_id"], info["connections"]) == ("user123", 1)


async def test_every_chunk_is_acknowledged_with_the_documented_message(service: Service) -> None:
    async with service.session() as client:
        answer = await client.send(pcm(44100))
        assert answer == {
            "type": "chunk",
            "message": "Chunk processed successfully",
            "session_id": client.session_id,
            "chunk_count": 1,
            "status": "active",
            "persisted_chunk_count": answer["persisted_chunk_count"],
            "duration_seconds": 1.0,
        }


async def test_closing_a_session_completes_the_exact_file(service: Service) -> None:
    async with service.session(sample_rate=22050) as client:
        for piece in cut(speech(), 4096):
            await client.send(piece)
        final = await client.close_session()
        assert (final["type"], final["message"], final["status"]) == (
            "control",
            "Session closed",
            "completed",
        )
        assert final["chunk_count"] == final["persisted_chunk_count"] == 52
        assert await client.closed() == (1000, "Session closed")
    assert service.pcm(client.session_id) == speech()[44:]
    assert service.manifest(client.session_id)["status"] == "completed"


async def test_a_wav_of_another_layout_is_resampled_like_ffmpeg_does_it(service: Service) -> None:
    data = encode(speech(), "-c:a", "pcm_s24le", "-f", "wav")
    async with service.session(sample_rate=48000, channels=2) as client:
        for piece in cut(data, 10_000):
            await client.send(piece)
        await client.close_session()
    assert service.pcm(client.session_id) == decode(data, sample_rate=48000, channels=2)


async def test_acknowledgements_arrive_in_order_for_a_client_that_does_not_wait(
    service: Service,
) -> None:
    async with service.session() as client:
        await asyncio.gather(*(client.socket.send(pcm(100, seed=seed)) for seed in range(300)))
        answers = [await client.receive() for _ in range(300)]
        assert [answer["chunk_count"] for answer in answers] == list(range(1, 301))


async def test_an_empty_chunk_is_acknowledged_and_counted(service: Service) -> None:
    async with service.session() as client:
        assert (await client.send(b""))["chunk_count"] == 1


async def test_a_second_connection_continues_the_session(service: Service) -> None:
    async with service.session() as first:
        await first.send(pcm(10, seed=1))
    async with service.session(f"/{first.session_id}") as second:
        assert second.greeting["message"] == "Session resumed"
        assert second.greeting["session_id"] == first.session_id
        assert second.greeting["chunk_count"] == 1
        await second.send(pcm(10, seed=2))
        await second.close_session()
    assert service.pcm(first.session_id) == pcm(10, seed=1) + pcm(10, seed=2)


async def test_a_session_is_completed_if_its_client_disconnects_after_closing(
    service: Service,
) -> None:
    async with service.session() as client:
        await client.socket.send(pcm(10))
        await client.socket.send(json.dumps({"type": "control", "action": "close_session"}))
    await eventually(
        lambda: service.manifest(client.session_id)["status"],
        lambda status: status == "completed",
        awaiting="a completed session",
    )
    assert service.pcm(client.session_id) == pcm(10)


async def test_chunks_sent_before_a_drop_are_recorded_without_an_ack(
    service: Service,
) -> None:
    async with service.session() as client:
        for seed in range(20):
            await client.socket.send(pcm(10, seed=seed))
    async with service.session(f"/{client.session_id}", resume="true") as again:
        assert again.greeting["chunk_count"] == 20


async def test_a_resumed_stream_continues_in_the_middle_of_a_container(service: Service) -> None:
    data = encode(speech(), "-c:a", "pcm_s24le", "-f", "wav")
    pieces = list(cut(data, 3001))
    async with service.session(sample_rate=22050) as client:
        for piece in pieces[:30]:
            await client.send(piece)
        client.drop()
    async with service.session(f"/{client.session_id}", resume="true") as again:
        for piece in pieces[again.greeting["chunk_count"] :]:
            await again.send(piece)
        await again.close_session()
    assert service.pcm(client.session_id) == decode(data, sample_rate=22050)


async def test_resuming_first_closes_a_connection_that_is_still_open(service: Service) -> None:
    async with service.session() as old:
        await old.socket.send(pcm(1) + b"\x01")
        async with service.session(f"/{old.session_id}", resume="true") as new:
            assert new.greeting["chunk_count"] == 1
            await old.receive()  # the answer to its chunk
            assert (await old.receive())["code"] == "connection_replaced"
            assert (await old.closed())[0] == 4103
            await new.send(b"\x02" + pcm(1))
            await new.close_session()
    assert service.pcm(old.session_id) == pcm(1) + b"\x01\x02" + pcm(1)


async def test_closing_over_http_sends_the_final_message_to_every_connection(
    service: Service,
) -> None:
    async with service.session() as one, service.session(f"/{one.session_id}") as two:
        await one.send(pcm(10))
        answer = service.post(f"/api/audio/sessions/{one.session_id}/close")
        assert answer.json()["success"] is True
        for client in (one, two):
            final = await client.receive()
            assert (final["message"], final["status"]) == ("Session closed", "completed")
            assert (await client.closed())[0] == 1000


async def test_every_control_message_is_answered(service: Service) -> None:
    async with service.session() as client:
        await client.send(pcm(10))
        flushed = await client.control("flush")
        assert (flushed["message"], flushed["action"]) == ("Session flushed", "flush")
        assert flushed["persisted_chunk_count"] == flushed["chunk_count"] == 1
        assert (await client.control("keep_alive"))["message"] == "Connection kept alive"
        assert (await client.control("status"))["status"] == "active"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "close", '{"type": "control"}', '{"type": "x", "action": "flush"}',
     '{"type": "control", "action": "explode"}'],
)  # fmt: skip
async def test_an_invalid_message_is_answered_and_the_connection_stays_open(
    service: Service, text: str
) -> None:
    async with service.session() as client:
        await client.socket.send(text)
        answer = await client.receive()
        assert (answer["type"], answer["code"]) == ("error", "invalid_message")
        assert {"close_session", "flush", "mark", "pause"} < set(answer["valid_values"])
        assert (await client.send(pcm(1)))["chunk_count"] == 1


async def test_a_warning_is_in_the_next_answer_only_and_in_the_final_message(
    service: Service,
) -> None:
    async with service.session(sample_rate=22050) as client:
        await client.send(wav(pcm(22050), sample_rate=22050))
        refused = await client.send(BAD_WAV)
        good = await client.send(wav(pcm(10), sample_rate=22050))
        again = await client.control("status")
        async with service.session(f"/{client.session_id}") as other:
            assert other.greeting["warnings"] == refused["warnings"]
            acknowledged = await other.send(pcm(10))
        final = await client.close_session()
    (warning,) = refused["warnings"]
    assert warning == {
        "code": "decode_failed",
        "message": refused["error"],
        "chunk_count": 2,
        "frame": 22050,
    }
    assert refused["warning_count"] == final["warning_count"] == 1
    for answer in (good, again, acknowledged):
        assert not {"warnings", "warning_count"} & set(answer)
    assert final["warnings"] == refused["warnings"]
    info = service.get(f"/api/audio/sessions/{client.session_id}").json()
    manifest = service.manifest(client.session_id)
    assert info["warnings"] == manifest["warnings"] == refused["warnings"]
    assert info["warning_count"] == manifest["warning_count"] == 1


async def test_damage_is_told_to_a_client_that_only_asks_for_the_status(service: Service) -> None:
    async with service.session(format="mp3") as client:
        await client.send(b"\x01" + random.Random(1).randbytes(240_000))
        answer = await client.control("status")
        async with asyncio.timeout(60):
            while "warnings" not in answer:
                answer = await client.control("status")
        assert [each["code"] for each in answer["warnings"]] == ["decode_failed"]
        final = await client.close_session()
    assert (final["duration_seconds"], final["warnings"]) == (0.0, answer["warnings"])


async def test_every_connection_is_told_of_a_warning_in_its_next_answer(service: Service) -> None:
    async with (
        service.session(sample_rate=22050) as client,
        service.session(f"/{client.session_id}") as other,
    ):
        refused = await client.send(BAD_WAV)
        acknowledged = await other.send(pcm(10))
        assert acknowledged["type"] == "chunk"
        assert acknowledged["warnings"] == refused["warnings"]
        assert "warnings" not in await other.send(pcm(10))


async def test_a_chunk_that_is_not_audio_gets_the_documented_error(
    service: Service,
) -> None:
    async with service.session() as client:
        await client.send(pcm(5))
        answer = await client.send(b"RIFF\0\0\0\0WAVEfmt \0\0\0\0data\0\0\0\0")
        assert answer["message"] == "Failed to process chunk"
        assert (answer["status"], answer["chunk_count"]) == ("error", 2)
        assert answer["code"] == "decode_failed"
        assert (await client.send(wav(pcm(5))))["message"] == "Chunk processed successfully"


@pytest.mark.parametrize(
    ("query", "error"),
    [
        (
            {"sample_rate": 44000},
            {"error": "Invalid sample rate", "code": "invalid_sample_rate",
             "valid_values": [8000, 16000, 22050, 44100, 48000, 96000]},
        ),
        ({"channels": 3}, {"error": "Invalid channels", "valid_values": [1, 2]}),
        ({"format": "exe"}, {"error": "Invalid format", "code": "invalid_format"}),
        ({"user_id": "x" * 300}, {"error": "Invalid user id", "code": "invalid_user_id"}),
    ],
)  # fmt: skip
async def test_invalid_parameters_get_an_error_and_close_code_1008(
    service: Service, query: dict[str, Any], error: dict[str, Any]
) -> None:
    async with service.connect(**query) as client:
        answer = await client.receive()
        assert answer | error == answer
        assert (answer["type"], answer["status"], answer["session_id"]) == ("error", "error", None)
        assert (await client.closed())[0] == 1008


@pytest.mark.parametrize("session_id", [UNKNOWN, "invalid-uuid"])
async def test_an_unknown_session_gets_an_error_and_close_code_1008(
    service: Service, session_id: str
) -> None:
    async with service.connect(f"/{session_id}") as client:
        answer = await client.receive()
        assert (answer["error"], answer["session_id"]) == ("Session not found", session_id)
        assert answer["code"] == "session_not_found"
        assert (await client.closed())[0] == 1008


async def test_a_completed_session_gets_an_error_and_close_code_1008(service: Service) -> None:
    async with service.session() as client:
        await client.close_session()
    async with service.connect(f"/{client.session_id}") as late:
        assert (await late.receive())["code"] == "session_completed"
        assert (await late.closed())[0] == 1008


async def test_an_invalid_resume_flag_is_refused(service: Service) -> None:
    async with service.connect(f"/{UNKNOWN}", resume="maybe") as client:
        assert (await client.receive())["code"] == "invalid_resume"


async def test_a_deleted_session_closes_its_connections(service: Service) -> None:
    async with service.session() as client:
        assert service.delete(f"/api/audio/sessions/{client.session_id}").status_code == 200
        assert (await client.receive())["code"] == "session_deleted"
        assert (await client.closed())[0] == 1008


async def test_a_reached_limit_gets_an_error_and_close_code_1013(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(max_concurrent_sessions=1, max_connections_per_session=2)
    async with service.session() as first:
        async with service.connect() as other:
            assert (await other.receive())["code"] == "too_many_sessions"
            assert (await other.closed())[0] == 1013
        path = f"/{first.session_id}"
        async with service.session(path), service.connect(path) as third:
            assert (await third.receive())["code"] == "too_many_connections"
            assert (await third.closed())[0] == 1013


async def test_a_chunk_above_the_limit_closes_with_1009(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(max_chunk_size_mb=0.01)
    async with service.session() as client:
        await client.send(bytes(10_000))
        answer = await client.send(bytes(20_000))
        assert (answer["code"], answer["chunk_count"]) == ("chunk_too_large", 1)
        assert (await client.closed())[0] == 1009


async def test_a_message_above_the_limit_closes_with_1009(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(max_message_size_bytes=5000)
    async with service.session() as client:
        await client.socket.send(bytes(6000))
        assert (await client.closed())[0] == 1009


async def test_a_silent_connection_gets_an_error_and_close_code_1001(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(connection_timeout_seconds=0.5)
    async with service.session() as client:
        assert (await client.receive())["code"] == "connection_idle"
        assert (await client.closed())[0] == 1001
    info = service.get(f"/api/audio/sessions/{client.session_id}").json()
    assert info["status"] == "active"


async def test_an_abandoned_session_is_completed_after_its_timeout(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(session_idle_timeout_seconds=0.5)
    async with service.session() as client:
        await client.send(pcm(100))
    await eventually(
        lambda: service.manifest(client.session_id)["status"],
        lambda status: status == "completed",
        awaiting="a completed session",
    )
    assert service.pcm(client.session_id) == pcm(100)


async def test_a_session_past_its_duration_is_completed_with_a_final_message(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(max_session_duration_hours=1 / 60)
    async with service.session(sample_rate=8000) as client:
        await client.send(pcm(8000 * 61))
        final = await client.receive()
        assert (final["status"], final["message"]) == ("completed", "Session closed")
        assert (await client.closed())[0] == 1000


async def test_a_stopping_service_closes_with_1012_and_keeps_all_audio(
    start_service: Callable[..., Service],
) -> None:
    service = start_service()
    async with service.session() as client:
        await client.send(pcm(100) + b"\x01")
        assert await asyncio.to_thread(service.stop) == 0
        with pytest.raises(ConnectionClosed):
            await client.receive()
        assert (await client.closed())[0] == 1012
    service.start()
    async with service.session(f"/{client.session_id}", resume="true") as again:
        assert again.greeting["chunk_count"] == again.greeting["persisted_chunk_count"] == 1
        await again.send(b"\x02")
        await again.close_session()
    assert service.pcm(client.session_id) == pcm(100) + b"\x01\x02"


@pytest.mark.parametrize("parameter", ["sample_rate", "channels"])
async def test_a_number_of_thousands_of_digits_is_an_invalid_parameter(
    service: Service, parameter: str
) -> None:
    async with service.connect(**{parameter: "9" * 5000}) as client:
        assert (await client.receive())["code"] == f"invalid_{parameter}"


async def test_deeply_nested_json_is_an_invalid_message(service: Service) -> None:
    async with service.session() as client:
        await client.socket.send('{"type":"control","x":' + "[" * 200_000)
        assert (await client.receive())["code"] == "invalid_message"
        assert (await client.send(pcm(1)))["chunk_count"] == 1
    answer = service.post("/api/audio/sessions", data='{"x":' + "[" * 200_000)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_body")


def limit_file_sizes(service: Service, max_bytes: int) -> None:
    for pid in (service.pid, *(worker.pid for worker in service.workers())):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (max_bytes, resource.RLIM_INFINITY))


async def test_a_full_disk_is_reported_and_no_acknowledged_chunk_is_lost(
    start_service: Callable[..., Service],
) -> None:
    service = start_service()
    data = encode(wav(pcm(2_000_000, seed=1), sample_rate=22050), "-f", "flac")
    pieces = list(cut(data, 100_000))
    async with service.session(sample_rate=22050) as client:
        limit_file_sizes(service, 1_000_000)
        with pytest.raises(ConnectionClosed):
            for piece in pieces:
                answer = await client.send(piece)
                if answer["type"] == "error":
                    assert answer["code"] == "storage_unavailable"
                    await client.receive()
        assert (await client.closed())[0] == 1011
    limit_file_sizes(service, resource.RLIM_INFINITY)
    async with service.session(f"/{client.session_id}", resume="true") as again:
        for piece in pieces[again.greeting["chunk_count"] :]:
            await again.send(piece)
        await again.close_session()
    assert service.pcm(client.session_id) == pcm(2_000_000, seed=1)


async def test_the_service_does_not_negotiate_compression(service: Service) -> None:
    async with service.session() as client:
        assert "Sec-WebSocket-Extensions" not in client.socket.response.headers  # type: ignore[union-attr]


@pytest.mark.long
async def test_hours_of_silence_in_one_chunk_are_recorded_in_bounded_memory(
    service: Service,
) -> None:
    seconds = 3 * 3600
    process = psutil.Process(service.pid)
    async with service.session(sample_rate=8000) as client:
        await client.send(encode(wav(pcm(100)), "-c:a", "flac", "-f", "flac"))  # starts all threads
        before_bytes, peak_bytes = process.memory_info().rss, 0
        sending = asyncio.create_task(
            client.send(encode_silence(seconds, "-c:a", "flac", "-f", "flac"))
        )
        closing: asyncio.Task[Any] | None = None
        while closing is None or not closing.done():
            peak_bytes = max(peak_bytes, process.memory_info().rss)
            if closing is None and sending.done():
                closing = asyncio.create_task(client.close_session())
            await asyncio.sleep(0.02)
        final = closing.result()
    assert final["duration_seconds"] == pytest.approx(seconds, abs=0.1)
    assert peak_bytes - before_bytes < 40_000_000  # of 173 MB of PCM
