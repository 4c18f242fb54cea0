"""P2, acknowledged is kept: acknowledged chunks survive ``kill -9``, exactly once."""

import asyncio
import random
from collections.abc import Callable

import psutil
import pytest

from tests.audio import cut, cut_anywhere, decode, encode, pcm, speech, wav
from tests.crashes import CrashInjector, assert_recorded, read_files, record_through_crashes
from tests.service import Service, children_of

DEEP = encode(speech(), "-c:a", "pcm_s24le", "-f", "wav")


@pytest.mark.parametrize(
    ("chunks", "expected", "query"),
    [
        pytest.param(
            list(cut_anywhere(pcm(200_000), seed=1, largest=3000)),
            pcm(200_000),
            {"sample_rate": 22050},
            id="raw PCM cut at odd bytes",
        ),
        pytest.param(
            list(cut_anywhere(wav(pcm(200_000), sample_rate=22050), seed=2, largest=3000)),
            pcm(200_000),
            {"sample_rate": 22050},
            id="WAV",
            marks=pytest.mark.long,
        ),
        pytest.param(
            list(cut(DEEP, 1500)),
            decode(DEEP, sample_rate=22050),
            {"sample_rate": 22050},
            id="24-bit WAV",
            marks=pytest.mark.long,
        ),
        pytest.param(
            list(cut(DEEP, 1500)),
            decode(DEEP, sample_rate=48000, channels=2),
            {"sample_rate": 48000, "channels": 2},
            id="24-bit WAV resampled",
            marks=pytest.mark.long,
        ),
    ],
)
async def test_a_recording_survives_five_crashes(
    start_service: Callable[..., Service],
    chunks: list[bytes],
    expected: bytes,
    query: dict[str, object],
) -> None:
    service, generator = start_service(), random.Random(7)
    path = ""
    for _ in range(5):
        async with service.session(path, **query) as client:
            have = client.greeting["chunk_count"]
            until = have + generator.randint(0, (len(chunks) - have) // 3)
            for piece in chunks[have:until]:
                await client.send(piece)
            if until < len(chunks):
                await client.socket.send(chunks[until])  # perhaps received, not yet acked
            service.kill()
        service.start()
        path, query = f"/{client.session_id}", {"resume": "true"}
        info = service.get(f"/api/audio/sessions{path}").json()
        assert until <= info["total_chunks"] <= until + 1
    async with service.session(path, **query) as client:
        for piece in chunks[client.greeting["chunk_count"] :]:
            await client.send(piece)
        final = await client.close_session()
    assert final["chunk_count"] == len(chunks)
    assert service.pcm(client.session_id) == expected
    left = {f"{client.session_id}.{kind}" for kind in ("wav", "json", "dat", "sums", "times")}
    assert set(read_files(service.folder)) == left


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_six_concurrent_sessions_survive_crashes_at_any_moment(
    start_service: Callable[..., Service], seed: int
) -> None:
    service, injector = start_service(), CrashInjector()
    recorders = await record_through_crashes([service], injector.crash, seed=seed, kills=6)
    assert injector.crash_count == 6
    assert_recorded(recorders, read_files(service.folder))
    assert await injector.surviving_children() == []
    assert psutil.Process(service.pid).children(recursive=True) == []


async def test_acknowledged_audio_is_in_the_file_after_a_kill(
    start_service: Callable[..., Service],
) -> None:
    service = start_service()
    async with service.session() as client:
        for piece in cut(pcm(50_000), 1234):
            await client.send(piece)
        service.kill()
    assert service.pcm(client.session_id) == pcm(50_000)


async def test_a_session_can_be_closed_after_a_crash(
    start_service: Callable[..., Service],
) -> None:
    service = start_service()
    async with service.session(sample_rate=22050) as client:
        for piece in cut(DEEP, 4096):
            await client.send(piece)
        service.kill()
    service.start()
    closed = service.post(f"/api/audio/sessions/{client.session_id}/close").json()
    assert "session" in closed, closed
    assert closed["session"]["total_chunks"] == -(-len(DEEP) // 4096)
    assert service.pcm(client.session_id) == decode(DEEP, sample_rate=22050)


async def test_a_crash_leaves_no_decoder_behind(start_service: Callable[..., Service]) -> None:
    service = start_service()
    async with service.session(sample_rate=8000) as client:
        await client.send(DEEP[:50_000])
        decoders = await children_of(psutil.Process(service.pid))
        service.kill()
        _, alive = await asyncio.to_thread(psutil.wait_procs, decoders, timeout=60)
    assert alive == []


async def test_a_suspended_decoder_ends_with_the_service(
    start_service: Callable[..., Service],
) -> None:
    service = start_service()
    async with service.session(sample_rate=22050) as client:
        await client.send(DEEP[:50_000])
        (decoder,) = await children_of(psutil.Process(service.pid))
        decoder.suspend()
        service.kill()
    _, alive = await asyncio.to_thread(psutil.wait_procs, [decoder], timeout=60)
    assert not alive


async def test_a_decode_error_is_still_reported_after_a_crash(
    start_service: Callable[..., Service],
) -> None:
    service = start_service()
    async with service.session(sample_rate=22050) as client:
        refused = await client.send(b"RIFF\0\0\0\0WAVEdata\1\0\0\0")
        assert refused["code"] == "decode_failed"
        service.kill()
    service.start()
    info = service.get(f"/api/audio/sessions/{client.session_id}").json()
    assert (info["total_chunks"], info["error"]) == (1, "WAV: no fmt chunk before the data chunk")
    async with service.session(f"/{client.session_id}", resume="true") as client:
        assert (await client.send(pcm(10)))["code"] == "decode_failed"  # the same stream
        assert (await client.send(wav(pcm(10), sample_rate=22050)))["type"] == "chunk"
        final = await client.close_session()
    assert client.greeting["warnings"] == final["warnings"] == refused["warnings"]
    assert service.manifest(client.session_id)["warnings"] == refused["warnings"]
    assert service.pcm(client.session_id) == pcm(10)
    assert final["chunk_count"] == 3
