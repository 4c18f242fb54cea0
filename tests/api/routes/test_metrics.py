"""GET /metrics shows what happened to sessions and connections, without ids."""

import asyncio
import json
import os
import uuid
from collections.abc import Callable
from typing import Any

from websockets.sync.client import connect

from api.access.api_keys import key_line, new_key
from tests.audio import pcm
from tests.eventually import eventually
from tests.exposition import Samples, label_values, samples
from tests.service import Service

OLD, OLD_ID = "2022-02-22T19:22:22Z", "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


def scraped(service: Service, **options: Any) -> Samples:
    return samples(service.get("/metrics", **options).text)


async def test_a_session_is_counted_from_its_creation_to_its_end(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(sync_interval_seconds=0.05)
    async with service.session(sample_rate=48000, user_id="alice") as client:
        for _ in range(3):
            await client.send(pcm(500))
        await client.control("flush")
        async with service.session(f"/{client.session_id}/listen") as listener:
            await listener.socket.recv()
            live = scraped(service)
        await client.close_session()
    await service.record(pcm(10), format="pcm_s16le")
    async with service.session() as dropped:
        await dropped.send(pcm(10))  # not flushed: a pass of syncs persists it
        dropped.drop()

    ended = await eventually(
        lambda: scraped(service),
        lambda found: (
            found["disconnects_total{code=1006}"] == 1
            and found["event_loop_lag_seconds_count"]
            and found["sync_seconds_count"]
        ),
        awaiting="the dropped connection, a measured lag and a sync",
    )
    assert live["sessions_live"] == 1
    assert live["sessions_limit"] == 100
    assert live["connections{role=recorder}"] == 1
    assert live["connections{role=listener}"] == 1
    assert live["chunks_total"] == live["chunk_ack_seconds_count"] == 3
    assert live["audio_bytes_total{direction=in}"] == 3 * 500 * 2
    assert live["audio_bytes_total{direction=out}"] >= 3 * 500 * 2
    assert live["unpersisted_bytes"] == 0
    assert live["persist_lag_seconds_count"] >= 1
    assert live["spool_free_bytes"] > 0
    assert live["lease_age_seconds"] == live["draining"] == 0
    assert live["background_task_up{task=storage-sync}"] == 1

    assert ended["sessions_created_total{format=wav}"] == 2
    assert ended["sessions_created_total{format=pcm_s16le}"] == 1
    assert ended["sessions_ended_total{reason=closed}"] == 2
    assert ended["connections{role=recorder}"] == ended["connections{role=listener}"] == 0
    assert ended["disconnects_total{code=1000}"] >= 1


async def test_what_goes_wrong_is_counted_by_its_reason(
    start_service: Callable[..., Service],
) -> None:
    key, admin = new_key(), new_key()
    service = start_service(
        auth_mode="api_key",
        api_keys=";".join([key_line(key, "alice", ["record"]), key_line(admin, "bob", ["admin"])]),
    )
    shown, admins = {"X-API-Key": key}, {"X-API-Key": admin}
    sessions = "/api/audio/sessions"
    created = service.post(sessions, headers=shown, json={"format": "flac"}).json()
    with connect(created["ws_url"]) as socket:
        socket.recv()
        socket.send(b"fLaC no audio at all")
        socket.recv()
    service.post(f"{sessions}/{created['session_id']}/close", headers=shown)
    service.delete(f"{sessions}/{created['session_id']}", headers=shown)
    other = service.post(sessions, headers=shown).json()["session_id"]
    service.delete(f"{sessions}/{other}", headers=shown)
    service.get(f"{sessions}/{uuid.uuid4()}", headers=shown)
    service.get(sessions)
    with connect(f"{service.ws_url}/{uuid.uuid4()}", additional_headers=shown) as socket:
        socket.recv()
    found = await eventually(
        lambda: scraped(service, headers=admins),
        lambda found: found["disconnects_total{code=1008}"] == 1,
        awaiting="the end of the refused connection",
    )
    assert sum(value for name, value in found.items() if name.startswith("warnings_total")) == 1
    assert found["denied_total{reason=session_not_found}"] == 2
    assert found["denied_total{reason=authentication_required}"] == 1
    assert found["deleted_total{reason=client}"] == 2
    assert found["sessions_ended_total{reason=deleted}"] == 1


async def test_a_restart_counts_its_takeovers(start_service: Callable[..., Service]) -> None:
    service = start_service()
    async with service.session() as client:
        await client.send(pcm(10))
        service.kill()
    service.start()
    await eventually(
        lambda: scraped(service)["takeovers_total{reason=start}"],
        lambda count: count == 1,
        awaiting="the count of the takeover",
    )


async def test_retention_counts_what_it_deletes(start_service: Callable[..., Service]) -> None:
    service = start_service(retention_days=1)
    recorded = await service.record(pcm(10))
    assert service.stop() == 0
    for path in service.folder.glob(f"{recorded}.*"):
        path.rename(path.with_stem(OLD_ID))
    manifest = service.manifest(OLD_ID)
    manifest |= {"session_id": OLD_ID, "created_at": OLD, "completed_at": OLD}
    service.wav(OLD_ID).with_suffix(".json").write_text(json.dumps(manifest))
    for path in service.folder.glob(f"{OLD_ID}.*"):
        os.utime(path, (0, 0))
    service.start()
    await eventually(
        lambda: scraped(service),
        lambda found: found["deleted_total{reason=retention}"] == 1,
        awaiting="the deletion",
    )
    assert not service.wav(OLD_ID).exists()


async def test_no_label_holds_an_id_a_user_or_an_address(service: Service) -> None:
    async with service.session(user_id="alice") as client:
        session_id = client.session_id
        await client.send(pcm(10))
        await asyncio.to_thread(service.get, f"/api/audio/sessions/{session_id}?user_id=alice")
        await asyncio.to_thread(service.get, f"/{session_id}")
    answer = service.get("/metrics", headers={"X-Request-Id": "request-17"})
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "chunks_total 1.0" in answer.text
    values = " ".join(label_values(answer.text))
    for secret in (session_id, "alice", "127.0.0.1", "request-17", str(service.port)):
        assert secret not in values
