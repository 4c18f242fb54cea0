"""While the store fails, every acknowledged chunk still reaches the final file."""

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import engines
from tests.audio import cut, dat, decode, encode, pcm, speech
from tests.eventually import eventually
from tests.faults import FaultyStore, Kind, faulty_store
from tests.parameters import long_except_first
from tests.s3_requests import Request, is_a
from tests.service import Client, Message, Service

WEBM = encode(speech(), "-c:a", "libopus", "-f", "webm", "-live", "1", "-cluster_time_limit", "100")
PCM = pcm(60_000)
LONG = pcm(5_500_000)  # 10.5 MiB: three parts

# What any request may meet, and then has no effect.
# Faults that keep every write from taking effect.
OUTAGES = [
    Kind.DROPPED, Kind.STALLED, Kind.CUT, Kind.ERROR, Kind.SLOW_DOWN, Kind.EXPIRED, Kind.UNCHECKED,
]  # fmt: skip

Check = Callable[[str, bytes, int], None]
Start = Callable[..., Service]

is_segment = is_a("PutObject", path_has="/segments/")
is_manifest = is_a("PutObject", path_ends=".json")


def is_audio(request: Request) -> bool:
    return is_a("PutObject", path_ends=".wav")(request) and not is_segment(request)


@pytest.fixture
def store(seaweedfs_url: str) -> Iterator[FaultyStore]:
    with faulty_store(seaweedfs_url) as store:
        yield store


@pytest.fixture
def start(on_bucket: Start, store: FaultyStore) -> Start:
    """Return a function that starts a service on the store with faults."""
    return lambda **settings: on_bucket(
        **{"s3_endpoint_url": store.url, "segment_seconds": 0.1, "lease_seconds": 2} | settings
    )


@pytest.fixture
def assert_recorded(
    objects: Callable[[], dict[str, bytes]], seaweedfs_url: str, tmp_path: Path
) -> Check:
    """Return a function that checks the audio, the manifest and the clean-up of a session."""
    s3, prefix = engines.client(seaweedfs_url), f"{tmp_path.name}/"

    def check(session_id: str, expected: bytes, chunk_count: int) -> None:
        found = objects()
        assert found[f"{session_id}.wav"][80:] == expected
        manifest = json.loads(found[f"{session_id}.json"])
        assert manifest["status"] == "completed"
        assert manifest["chunk_count"] == chunk_count
        assert manifest["size_bytes"] == 80 + len(expected)
        assert manifest["frames"] == len(expected) // 2
        assert manifest["sha256"] == hashlib.sha256(expected).hexdigest()
        found_format = {key: manifest[key] for key in ("sample_rate", "channels")}
        assert found[f"{session_id}.dat"] == dat(expected, **found_format)
        head = s3.head_object(Bucket=engines.BUCKET, Key=f"{prefix}{session_id}.wav")
        assert manifest["etag"] == head["ETag"].strip('"')
        final = {"wav", "json", "dat", "sums", "times"}
        left = [key for key in found if key.partition(".")[2] not in final]
        assert not [key for key in left if not key.startswith("_index/user/")]
        assert not [key for key in found if "/segments/" in key]
        assert engines.open_uploads(seaweedfs_url, prefix) == []

    return check


async def send_all(client: Client, pieces: list[bytes]) -> list[Message]:
    answers = [await client.send(piece) for piece in pieces]
    assert {answer["type"] for answer in answers} == {"chunk"}
    return answers


async def flush(client: Client) -> None:
    """Flush, and check that all chunks are persisted in time."""
    async with asyncio.timeout(60):
        answer = await client.control("flush")
    assert answer["persisted_chunk_count"] == answer["chunk_count"]


def split_in_thirds(pieces: list[bytes]) -> tuple[list[bytes], list[bytes], list[bytes]]:
    third = len(pieces) // 3
    return pieces[:third], pieces[third : 2 * third], pieces[2 * third :]


@pytest.mark.parametrize("kind", long_except_first([None, *OUTAGES], 3))
async def test_recording_continues_during_a_store_outage_and_catches_up(
    start: Start, store: FaultyStore, assert_recorded: Check, kind: Kind | None
) -> None:
    service = start()
    pieces = {"pcm": list(cut(PCM, 1777)), "webm": list(cut(WEBM, 500))}
    async with (
        service.session(sample_rate=22050) as by_pcm,
        service.session(sample_rate=48000) as by_webm,
    ):
        clients = {"pcm": by_pcm, "webm": by_webm}
        for name, client in clients.items():
            await send_all(client, split_in_thirds(pieces[name])[0])
            await flush(client)
        if kind is None:
            store.die()
        else:
            fault = store.fail(
                kind, is_segment if kind is Kind.CUT else lambda _: True, cut_after=99
            )
        for name, client in clients.items():
            answers = await send_all(client, split_in_thirds(pieces[name])[1])
            counts = [answer["persisted_chunk_count"] for answer in answers]
            assert set(counts) == {len(split_in_thirds(pieces[name])[0])}
        if kind is None:
            store.revive()
        else:
            await asyncio.to_thread(fault.wait)
            fault.end()
        for name, client in clients.items():
            await flush(client)
            await send_all(client, split_in_thirds(pieces[name])[2])
            await client.close_session()
    assert service.stop() == 0
    assert_recorded(by_pcm.session_id, PCM, len(pieces["pcm"]))
    assert_recorded(by_webm.session_id, decode(WEBM, sample_rate=48000), len(pieces["webm"]))


async def test_writes_whose_answers_are_lost_take_effect_once(
    start: Start, store: FaultyStore, assert_recorded: Check
) -> None:
    """Each kind of write has a session of its own."""
    writes = {
        "entry of the index": is_a("PutObject", path_has="/_index/"),
        "first manifest": is_manifest,
        "segment": is_segment,
        "raw input": is_a("PutObject", path_has="/input/"),
        "audio": is_audio,
        "deletion": is_a("DeleteObjects"),
    }
    service = start()
    pieces = list(cut(WEBM, 1000))
    recorded: dict[str, str] = {}
    for name, match in writes.items():
        fault = store.fail(Kind.LOST_ANSWER, match, times=1)
        async with service.session(sample_rate=48000) as client:
            for third in split_in_thirds(pieces):
                await send_all(client, third)
                await flush(client)
            await client.close_session()
        recorded[name] = client.session_id
        await asyncio.to_thread(fault.wait)
    assert service.stop() == 0
    for session_id in recorded.values():
        assert_recorded(session_id, decode(WEBM, sample_rate=48000), len(pieces))


async def test_the_final_manifest_is_correct_if_its_answer_is_lost(
    start: Start, store: FaultyStore, assert_recorded: Check
) -> None:
    service = start()
    async with service.session() as client:
        await send_all(client, [PCM])
        fault = store.fail(Kind.LOST_ANSWER, is_manifest, times=1)
        await client.close_session()
    assert service.stop() == 0
    assert len(fault.hits) == 1
    assert_recorded(client.session_id, PCM, 1)


@pytest.mark.parametrize(
    ("kind", "operation"),
    [
        *((Kind.LOST_ANSWER, f"{name}MultipartUpload") for name in ("Create", "Complete")),
        (Kind.ERROR, "CompleteMultipartUpload"),
        *((kind, "UploadPart") for kind in (Kind.LOST_ANSWER, Kind.CUT, Kind.SLOW_DOWN)),
    ],
)
async def test_long_audio_is_complete_after_any_upload_fault(
    start: Start, store: FaultyStore, assert_recorded: Check, kind: Kind, operation: str
) -> None:
    service = start(s3_part_size_mb=5)
    fault = store.fail(kind, is_a(operation), times=1, cut_after=2_000_000)
    pieces = list(cut(LONG, 500_000))
    async with service.session(sample_rate=96000) as client:
        await send_all(client, pieces)
        await flush(client)
        async with asyncio.timeout(60):
            await client.close_session()
    assert service.stop() == 0
    assert fault.hits
    assert_recorded(client.session_id, LONG, len(pieces))


async def test_a_deletion_whose_answers_are_lost_removes_everything(
    start: Start,
    store: FaultyStore,
    objects: Callable[[], dict[str, bytes]],
    seaweedfs_url: str,
    tmp_path: Path,
) -> None:
    service = start(s3_part_size_mb=5)
    async with service.session(sample_rate=96000) as client:
        await send_all(client, list(cut(LONG, 500_000)))
        await eventually(
            lambda: [each for each in store.requests if is_a("UploadPart")(each)],
            awaiting="the upload of a part",
        )
        faults = [
            store.fail(Kind.LOST_ANSWER, is_a(operation), times=1)
            for operation in ("AbortMultipartUpload", "DeleteObjects")
        ]
        path = f"/api/audio/sessions/{client.session_id}"
        answer = await asyncio.to_thread(service.delete, path)
    assert answer.status_code in {200, 204}
    assert service.stop() == 0
    assert [len(fault.hits) for fault in faults] == [1, 1]
    assert objects() == {}
    assert engines.open_uploads(seaweedfs_url, f"{tmp_path.name}/") == []


async def test_after_a_long_outage_the_session_can_be_resumed(
    start: Start, store: FaultyStore, assert_recorded: Check
) -> None:
    service = start(spool_max_mb=1)
    pieces = list(cut(LONG[:4_000_000], 200_000))
    acked, refusal = 0, dict[str, Any]()
    async with service.session(sample_rate=96000) as client:
        store.die()
        for piece in pieces:
            began = time.monotonic()
            answer = await client.send(piece)
            if answer["type"] != "chunk":
                refusal = answer
                break
            acked = answer["chunk_count"]
        assert 0 < acked * 200_000 <= 1024 * 1024
        assert time.monotonic() - began > 1  # the client was slowed down before the refusal
        assert refusal["code"] == "storage_unavailable"
        assert (await client.closed())[0] == 1011
    store.revive()
    async with service.session(f"/{client.session_id}", resume="true") as client:
        assert client.greeting["chunk_count"] == acked
        await flush(client)
        for piece in pieces[acked:]:
            await send_all(client, [piece])
            await flush(client)
        await client.close_session()
    assert service.stop() == 0
    assert_recorded(client.session_id, LONG[:4_000_000], len(pieces))


async def test_a_service_stops_in_time_while_the_store_stalls(
    start: Start, store: FaultyStore, assert_recorded: Check
) -> None:
    service = start()
    first, second, third = split_in_thirds(list(cut(PCM, 1777)))
    async with service.session(sample_rate=22050) as client:
        await send_all(client, first)
        await flush(client)
        fault = store.fail(Kind.STALLED)
        await send_all(client, second)
        await asyncio.to_thread(fault.wait)
        began = time.monotonic()
        assert await asyncio.to_thread(service.stop) == 0
        assert time.monotonic() - began < 10
    fault.end()
    service.start()
    async with service.session(f"/{client.session_id}", resume="true") as client:
        assert client.greeting["chunk_count"] == len(first) + len(second)
        await send_all(client, third)
        await client.close_session()
    assert service.stop() == 0
    assert_recorded(client.session_id, PCM, len(first) + len(second) + len(third))
