"""The service on a bucket: the same promises, with the bucket as the only lasting storage."""

import json
import shutil
from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.audio import cut, cut_anywhere, dat, decode, encode, pcm, speech
from tests.service import Client, Service

WEBM = encode(speech(), "-c:a", "libopus", "-f", "webm", "-live", "1", "-cluster_time_limit", "100")


async def send_missing(client: Client, pieces: list[bytes]) -> None:
    for piece in pieces[client.greeting["chunk_count"] :]:
        assert (await client.send(piece))["type"] == "chunk"


async def test_a_completed_session_is_one_wav_with_manifest_and_waveform(
    on_bucket: Callable[..., Service], objects: Callable[[], dict[str, bytes]]
) -> None:
    service = on_bucket(segment_seconds=0.2)
    async with service.session(sample_rate=22050) as client:
        await send_missing(client, list(cut_anywhere(speech(), seed=1)))
        final = await client.close_session()
    assert service.stop() == 0
    assert set(objects()) == {
        f"{client.session_id}.{kind}" for kind in ("wav", "json", "dat", "sums", "times")
    }
    assert objects()[f"{client.session_id}.dat"] == dat(speech()[44:], sample_rate=22050)
    assert objects()[f"{client.session_id}.wav"][80:] == speech()[44:]
    manifest = json.loads(objects()[f"{client.session_id}.json"])
    assert manifest["chunk_count"] == final["chunk_count"] == final["persisted_chunk_count"]


async def test_completed_audio_is_downloaded_from_the_store(
    on_bucket: Callable[..., Service], seaweedfs_url: str
) -> None:
    service = on_bucket()
    async with service.session() as client:
        await send_missing(client, [pcm(1000)])
        path = f"/api/audio/sessions/{client.session_id}"
        growing = service.get(f"{path}/audio", allow_redirects=False)
        assert (growing.status_code, growing.content[80:]) == (200, pcm(1000))
        await client.close_session()
    redirect = service.get(f"{path}/audio", allow_redirects=False)
    assert redirect.status_code == 307
    assert redirect.headers["Location"].startswith(seaweedfs_url)
    link = service.get(f"{path}/download").json()
    for url in (redirect.headers["Location"], link["url"]):
        answer = requests.get(url, timeout=30, headers={"Range": "bytes=80-"})
        assert (answer.status_code, answer.content) == (206, pcm(1000))
        assert answer.headers["Content-Type"] == "audio/wav"
    through = service.get(f"{path}/audio?redirect=false", headers={"Range": "bytes=80-179"})
    assert (through.status_code, through.content) == (206, pcm(50))


@pytest.mark.parametrize("lost_disk", [False, True], ids=["same node", "another node"])
async def test_a_killed_service_resumes_from_its_spool_or_the_bucket(
    on_bucket: Callable[..., Service],
    objects: Callable[[], dict[str, bytes]],
    *,
    lost_disk: bool,
) -> None:
    service = on_bucket(segment_seconds=0.1, lease_seconds=2)
    sources: dict[str, tuple[list[bytes], bytes, dict[str, Any]]] = {
        "pcm": (list(cut(pcm(100_000), 1777)), pcm(100_000), {"sample_rate": 22050}),
        "webm": (
            list(cut(WEBM, 500)),
            decode(WEBM, sample_rate=48000),
            {"sample_rate": 48000},
        ),
    }
    ids: dict[str, str] = {}
    for part in range(1, 4):
        for name, (pieces, _, query) in sources.items():
            path = f"/{ids[name]}" if name in ids else ""
            async with service.session(path, **({"resume": "true"} if path else query)) as client:
                ids[name] = client.session_id
                have = client.greeting["chunk_count"]
                assert have == client.greeting["persisted_chunk_count"] or not lost_disk
                await send_missing(client, pieces[: part * len(pieces) // 3])
                if lost_disk:
                    await client.control("flush")
        service.kill()
        if lost_disk:
            shutil.rmtree(service.folder)
        service.start()
        await service.live(len(ids))
    for name, (pieces, _, _) in sources.items():
        closed = service.post(f"/api/audio/sessions/{ids[name]}/close").json()
        assert closed["session"]["total_chunks"] == len(pieces)
    assert service.stop() == 0
    for name, (_, expected, _) in sources.items():
        assert objects()[f"{ids[name]}.wav"][80:] == expected
    assert set(objects()) == {
        f"{key}.{kind}" for key in ids.values() for kind in ("wav", "json", "dat", "sums", "times")
    }


async def test_long_audio_is_uploaded_in_parts(
    on_bucket: Callable[..., Service], objects: Callable[[], dict[str, bytes]]
) -> None:
    service = on_bucket(segment_seconds=0.3, s3_part_size_mb=5, lease_seconds=2)
    data = pcm(8_000_000)  # 15.3 MiB
    async with service.session(sample_rate=96000) as client:
        for piece in cut(data, 250_000):
            await client.send(piece)
        middle = client.session_id
        await client.control("flush")
        service.kill()
    shutil.rmtree(service.folder)
    service.start()
    await service.live(1)
    async with service.session(f"/{middle}", resume="true") as client:
        for piece in cut(data, 250_000):
            await client.send(piece)
        await client.close_session()
    assert service.stop() == 0
    assert objects()[f"{middle}.wav"][80:] == data + data
