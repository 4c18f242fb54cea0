"""Every event of a session reaches every receiver, whatever dies on the way."""

import asyncio
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from api.events.dead import DEAD_DAYS
from api.events.delivery import DeliverySettings
from api.events.schedule import RETRY_SECONDS
from api.events.signature import parse_secret, signed_headers
from tests import engines
from tests.audio import pcm
from tests.eventually import eventually
from tests.faults import FaultyStore, faulty_store
from tests.service import Service
from tests.webhook_receiver import SECRET, WebhookReceiver, webhook_receiver

ROOT = Path(__file__).parent.parent
QUICK = ("tests.webhook_service",)

StartService = Callable[..., Service]


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with webhook_receiver() as receiver:
        yield receiver


def webhooks(receiver: WebhookReceiver, **more: object) -> dict[str, object]:
    return {"webhook_urls": receiver.url, "webhook_secrets": SECRET, **more}


def quick(start_service: StartService, **settings: object) -> Service:
    """Start a service with short times between attempts."""
    service = start_service(**settings)
    service.kill()
    service.program = QUICK
    return service.start()


async def test_every_event_of_a_session_is_told_with_a_link_to_the_audio(
    start_service: StartService, receiver: WebhookReceiver
) -> None:
    service = start_service(**webhooks(receiver, public_url="http://rec.example"))
    async with service.session(format="mp3") as client:
        await client.send(b"this is no MP3" * 1000)
    session_id = client.session_id
    service.post(f"/api/audio/sessions/{session_id}/close")
    await receiver.wait_for(f"{session_id}-completed")
    (completed,) = [each for each in receiver.requests if each.type == "session.completed"]
    link = str(completed.body["data"]["link"]["url"]).replace("http://rec.example", service.url)
    assert requests.get(link, timeout=10).content == service.wav(session_id).read_bytes()
    assert completed.body["data"]["session"]["warning_count"] >= 1
    service.delete(f"/api/audio/sessions/{session_id}")
    await receiver.wait_for(f"{session_id}-created", f"{session_id}-deleted")
    warnings = [each for each in receiver.requests if each.type == "session.warning"]
    assert {each.body["data"]["code"] for each in warnings} == {
        warning["code"] for warning in completed.body["data"]["session"]["warnings"]
    }
    told = sorted(receiver.requests, key=lambda each: int(each.body["sequence"]))
    assert [told[0].type, told[-2].type, told[-1].type] == [
        "session.created",
        "session.completed",
        "session.deleted",
    ]
    assert {each.session_id for each in told} == {session_id}
    log = "".join(service.log)
    assert "hidden" not in log
    assert SECRET not in log


async def test_events_wait_for_a_receiver_that_is_away_and_survive_a_kill(
    start_service: StartService, receiver: WebhookReceiver
) -> None:
    receiver.stop()
    service = quick(start_service, **webhooks(receiver))
    completed = await service.record(pcm(1000))
    async with service.session() as client:
        await client.send(pcm(1000))
        service.kill()
    service.start()
    receiver.start()
    await receiver.wait_for(
        f"{completed}-created", f"{completed}-completed", f"{client.session_id}-created"
    )
    await eventually(
        lambda: [each.session_id for each in receiver.accepted if "taken_over" in each.type],
        lambda found: found == [client.session_id],
        awaiting="the event of the takeover",
    )
    assert f"{client.session_id}-completed" not in receiver.ids()


async def test_a_node_delivers_the_events_of_a_node_that_has_died(
    on_bucket: StartService, receiver: WebhookReceiver
) -> None:
    receiver.stop()
    first = on_bucket(**webhooks(receiver), lease_seconds=2)
    session_id = await first.record(pcm(1000))
    first.kill()
    receiver.start()
    second = quick(on_bucket, **webhooks(receiver), lease_seconds=2)
    await receiver.wait_for(f"{session_id}-created", f"{session_id}-completed")
    (completed,) = {each.id: each for each in receiver.accepted if "completed" in each.id}.values()
    link = completed.body["data"]["link"]["url"]
    assert requests.get(link, timeout=10).content[80:] == pcm(1000)
    assert second.is_running


async def test_dead_events_are_delivered_again_after_the_command_retry(
    start_service: StartService, receiver: WebhookReceiver
) -> None:
    from tests.api.cli.command import run

    receiver.status = 410
    service = quick(start_service, **webhooks(receiver))
    session_id = await service.record(pcm(1000))

    def dead() -> str:
        return run("webhooks", "list", "--dead", AUDIO_STORAGE_PATH=str(service.folder)).stdout

    # The first 410 disables the receiver, perhaps before the second event has happened.
    events = re.findall(rf"{session_id}-\w+", await eventually(dead, awaiting="dead events"))
    assert "webhooks to 127.0.0.1" in service.get("/health").json()["problems"][0]
    service.stop()
    receiver.status = 200
    service.start()
    run("webhooks", "retry", "--all", AUDIO_STORAGE_PATH=str(service.folder))
    await receiver.wait_for(*events)


async def test_a_session_is_created_only_if_authorize_url_allows_it_and_resumed_without_it(
    start_service: StartService, receiver: WebhookReceiver
) -> None:
    service = start_service(authorize_url=receiver.url, webhook_secrets=SECRET)
    async with service.session(user_id="alice", sample_rate=16000) as client:
        await client.send(pcm(100))
    question = receiver.requests[0].body
    assert (question["user_id"], question["sample_rate"]) == ("alice", 16000)
    receiver.status = 403
    async with service.session(f"/{client.session_id}", resume="true") as resumed:
        assert resumed.greeting["chunk_count"] == 1
    async with service.session() as refused:
        assert refused.greeting["code"] == "not_allowed"
        assert (await refused.closed())[0] == 1008
    answer = service.post("/api/audio/sessions", json={})
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
    receiver.stop()
    async with service.session() as refused:
        assert refused.greeting["code"] == "authorization_unavailable"
        assert (await refused.closed())[0] == 1013
    answer = service.post("/api/audio/sessions", json={})
    assert (answer.status_code, answer.json()["code"]) == (503, "authorization_unavailable")
    assert len(receiver.requests) == 3
    assert service.get("/api/audio/sessions").json()["sessions"][1:] == []


def test_an_endpoint_that_is_not_valid_ends_the_start_with_the_name_of_the_setting(
    start_service: StartService,
) -> None:
    with pytest.raises(RuntimeError, match="sercuescribe: WEBHOOK_URLS needs WEBHOOK_SECRETS"):
        start_service(webhook_urls="http://127.0.0.1/")


def test_the_code_in_the_manual_accepts_real_messages_and_no_others() -> None:
    manual = (ROOT / "docs" / "webhooks.md").read_text()
    code = re.search(r"```python\n(.*?)```", manual, re.DOTALL)
    assert code is not None
    names: dict[str, Any] = {}
    exec(code[1], names)
    is_authentic = names["is_authentic"]
    now, body = int(names["time"].time()), b'{"type": "session.completed"}'
    other = "whsec_" + "A" * 44
    headers = signed_headers([parse_secret(other), parse_secret(SECRET)], "id", now, body)
    assert is_authentic(SECRET, headers, body)
    assert is_authentic(other, headers, body)
    assert not is_authentic("whsec_" + "B" * 44, headers, body)
    assert not is_authentic(SECRET, headers, body + b" ")
    assert not is_authentic(SECRET, headers | {"webhook-id": "other"}, body)
    old = signed_headers([parse_secret(SECRET)], "id", now - 600, body)
    assert not is_authentic(SECRET, old, body)


def test_the_times_in_the_manual_are_those_of_the_code() -> None:
    manual = (ROOT / "docs" / "webhooks.md").read_text()
    seconds, *minutes_and_hours = RETRY_SECONDS
    minutes = [each // 60 for each in minutes_and_hours if each < 3600]
    hours = [each // 3600 for each in minutes_and_hours if each >= 3600]
    settings = DeliverySettings()
    for text in (
        f"after {seconds} seconds, {_listed(minutes)} minutes, {_listed(hours)} hours,",
        f"within {settings.timeout_seconds:g} seconds",
        f"a pause of {settings.pause_seconds:g} seconds",
        f"kept for {DEAD_DAYS} days",
    ):
        assert text in manual


def _listed(numbers: list[int]) -> str:
    *first, last = map(str, numbers)
    return f"{', '.join(first)} and {last}"


@pytest.fixture
def store(moto_url: str) -> Iterator[FaultyStore]:
    with faulty_store(moto_url) as store:
        yield store


def bucket(store: FaultyStore, folder: Path) -> dict[str, object]:
    return {
        "storage_backend": "s3",
        "s3_bucket": engines.BUCKET,
        "s3_prefix": f"{folder.name}/",
        "s3_endpoint_url": store.url,
    }


def outbox_requests(store: FaultyStore, since: int) -> list[tuple[str, str]]:
    """Return operation and key of the requests that write or remove entries of events."""
    return [
        (each.operation, each.path.rpartition("/")[2])
        for each in store.requests[since:]
        if "/_outbox/" in each.path and each.operation != "GetObject"
    ]


async def test_an_event_costs_one_put_and_one_deletion_and_nothing_without_webhooks(
    start_service: StartService, store: FaultyStore, receiver: WebhookReceiver, tmp_path: Path
) -> None:
    with_none = start_service(**bucket(store, tmp_path))
    await with_none.record(pcm(1000))
    with_none.stop()
    assert not [each for each in store.requests if "_outbox" in each.path + each.query]
    service = start_service(**bucket(store, tmp_path), **webhooks(receiver))
    before = len(store.requests)
    session_id = await service.record(pcm(1000))
    await receiver.wait_for(f"{session_id}-created", f"{session_id}-completed")

    def is_clean() -> bool:
        deletions = [
            each
            for each in store.requests[before:]
            if each.operation in {"DeleteObject", "DeleteObjects"}
        ]
        return len(deletions) >= 2

    await eventually(is_clean, awaiting="the deletion of the entries")
    puts = [key for operation, key in outbox_requests(store, before) if operation == "PutObject"]
    assert sorted(puts) == [f"000000000-{session_id}-{kind}" for kind in ("completed", "created")]


@pytest.mark.long
async def test_killed_at_every_request_of_completing_the_event_arrives_and_never_too_early(
    start_service: StartService, store: FaultyStore, moto_url: str, tmp_path: Path
) -> None:
    """The receiver refuses every other message meanwhile."""
    generator, step = random.Random(1), 0
    with webhook_receiver() as receiver:
        service = quick(start_service, **bucket(store, tmp_path), **webhooks(receiver))
        is_reached = True
        while is_reached:
            step += 1
            receiver.status = generator.choice([200, 500])
            async with service.session() as client:
                await client.send(pcm(1000))
            session_id = client.session_id
            is_reached = await _close_until_death(service, store, session_id, step)
            if f"{session_id}-completed" in {each.id for each in receiver.requests}:
                key = f"{tmp_path.name}/{session_id}.json"
                manifest = engines.client(moto_url).get_object(Bucket=engines.BUCKET, Key=key)
                assert b'"completed"' in manifest["Body"].read()
            receiver.status = 200
            store.revive()
            service.start()
            assert await asyncio.to_thread(_close, service, session_id)
            await receiver.wait_for(f"{session_id}-created", f"{session_id}-completed")
            assert step < 60
    assert step > 8


async def _close_until_death(
    service: Service, store: FaultyStore, session_id: str, step: int
) -> bool:
    """Close the session. The store and the service die at request ``step``.

    Return whether there was such a request.
    """
    store.die_at(len(store.requests) + step)
    closing = asyncio.create_task(asyncio.to_thread(_close, service, session_id))
    await eventually(
        lambda: closing.done() or not store._is_up.is_set(),
        awaiting="the death of the store or the end of the session",
    )
    is_reached = not store._is_up.is_set() and not closing.done()
    service.kill()
    await closing
    return is_reached


def _close(service: Service, session_id: str) -> bool:
    """Return whether the service says that the session is completed."""
    try:
        return service.post(f"/api/audio/sessions/{session_id}/close").status_code == 200
    except requests.RequestException:
        return False


@pytest.mark.long
async def test_over_kills_at_any_moment_every_completed_session_is_told(
    start_service: StartService,
) -> None:
    """The receiver answers 500, is slow, or is away in turn."""
    generator, ids = random.Random(1), list[str]()
    with webhook_receiver() as receiver:
        service = quick(start_service, **webhooks(receiver))
        for state in ("failing", "slow", "away") * 3:
            if state == "away":
                receiver.stop()
            elif state == "slow":
                receiver.go_on.clear()
            receiver.status = 500 if state == "failing" else 200
            ids += await _record_until_killed(service, steps=generator.randint(1, 15))
            service.start()
            receiver.go_on.set()
            if state == "away":
                receiver.start()
        receiver.status = 200
        completed = {each for each in ids if service.manifest(each)["status"] == "completed"}
        await receiver.wait_for(*(f"{each}-completed" for each in completed))
        await receiver.wait_for(*(f"{each}-created" for each in ids))
        told = {each.session_id for each in receiver.requests if "completed" in each.id}
        assert told == completed
        assert 5 < len(completed) < len(ids)


async def _record_until_killed(service: Service, steps: int) -> list[str]:
    """Record five sessions; kill the service after ``steps`` of their 15 steps. Return the ids."""
    ids: list[str] = []
    done = 0

    async def record() -> None:
        nonlocal done
        async with service.session() as client:
            ids.append(client.session_id)
            done += 1
            await client.send(pcm(500))
            done += 1
            await client.close_session()
            done += 1

    recording = [asyncio.create_task(record()) for _ in range(5)]
    await eventually(lambda: done >= steps, awaiting=f"{steps} steps")
    service.kill()
    await asyncio.gather(*recording, return_exceptions=True)
    return ids
