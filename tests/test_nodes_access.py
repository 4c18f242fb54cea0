"""Every node accepts the same keys and tokens for the same sessions."""

import asyncio
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from api.access.api_keys import key_line, new_key
from tests.audio import pcm
from tests.calls import dial, send
from tests.eventually import eventually
from tests.platforms import twilio
from tests.service import Service

SESSIONS = "/api/audio/sessions"
ALICE, BOB, INGEST = new_key(), new_key(), new_key(["ingest"])
SIGNING_SECRET = "shared by all nodes of the service"


@pytest.fixture
def nodes(on_bucket: Callable[..., Service]) -> tuple[Service, Service]:
    """The owner of the session, and another node."""
    lines = [key_line(key, user, ["record", "read"]) for key, user in ((ALICE, "a"), (BOB, "b"))]
    lines.append(key_line(INGEST, "a", ["ingest"]))
    access = {"auth_mode": "api_key", "api_keys": ";".join(lines), "signing_secret": SIGNING_SECRET}
    return on_bucket(**access), on_bucket(**access)


def greeting(url: str, **options: Any) -> dict[str, Any]:
    with connect(url, **options) as socket:
        first = dict(json.loads(socket.recv()))
        if first["type"] == "session":
            socket.send(pcm(100))
            assert json.loads(socket.recv())["type"] == "chunk"
        else:
            with pytest.raises(ConnectionClosed):
                socket.recv()
        return first


def test_a_relayed_request_carries_its_credentials_and_is_checked_again(
    nodes: tuple[Service, Service],
) -> None:
    owner, other = nodes
    created = owner.post(SESSIONS, headers={"X-API-Key": ALICE}).json()
    session_id, token = created["session_id"], created["token"]
    url = f"{other.ws_url}/{session_id}"
    ways: list[dict[str, Any]] = [
        {"additional_headers": {"X-API-Key": ALICE}},
        {"additional_headers": {"Authorization": f"Bearer {token}"}},
        {"subprotocols": ["bearer", token]},
    ]
    for way in ways:
        assert greeting(url, **way)["message"] == "Session resumed"
    assert greeting(f"{url}?token={token}")["chunk_count"] == 3
    path = f"{SESSIONS}/{session_id}"
    assert other.get(path, headers={"X-API-Key": ALICE}).json()["total_chunks"] == 4
    assert other.get(f"{path}/audio?token={token}").content[80:] == 4 * pcm(100)

    assert greeting(url)["code"] == "authentication_required"
    assert greeting(url, subprotocols=["bearer", BOB])["code"] == "session_not_found"
    assert other.get(path, headers={"X-API-Key": BOB}).status_code == 404
    assert other.delete(path, headers={"Authorization": f"Bearer {token}"}).status_code == 403
    assert other.post(f"{path}/close", headers={"X-API-Key": ALICE}).json()["success"]


@pytest.mark.parametrize("place", ["path", "parameter"])
async def test_the_owner_of_a_relayed_call_gets_the_token_of_the_platform(
    nodes: tuple[Service, Service], place: str
) -> None:
    owner, other = nodes
    path = f"/api/ws/call/twilio/{INGEST}" if place == "path" else "/api/ws/call"
    start = twilio.start("inbound", parameters={"token": INGEST} if place == "parameter" else {})
    media = list(twilio.media_of("inbound", bytes(8000)))

    async def session() -> dict[str, Any]:
        answer = await asyncio.to_thread(owner.get, SESSIONS, headers={"X-API-Key": ALICE})
        (found,) = answer.json()["sessions"] or ({"duration_seconds": 0.0},)
        return dict(found)

    async with dial(owner, path) as socket:
        await send(socket, [start, *media[:25]])
        await eventually(
            session,
            lambda found: found["duration_seconds"] == 0.5,
            awaiting="the first half of the call",
        )
        socket.transport.abort()
    await eventually(session, lambda found: not found["connections"], awaiting="the loss")
    async with dial(other, path) as socket:
        await send(socket, [start, *media[25:], twilio.stop()])
    found = await eventually(
        session, lambda found: found["status"] == "completed", awaiting="the end of the call"
    )
    assert (found["user_id"], found["duration_seconds"]) == ("a", 1.0)
    assert "token" not in found["metadata"]


def test_a_link_from_one_node_works_on_another(nodes: tuple[Service, Service]) -> None:
    one, other = nodes
    created = one.post(SESSIONS, headers={"X-API-Key": ALICE}).json()
    greeting(created["ws_url"])
    path = f"{SESSIONS}/{created['session_id']}"
    link = one.get(f"{path}/download", headers={"X-API-Key": ALICE}).json()["url"]
    assert other.get(link.removeprefix(one.url)).content[80:] == pcm(100)


def test_credentials_are_not_relayed_to_an_address_that_is_not_signed(
    on_bucket: Callable[..., Service],
) -> None:
    keys = key_line(ALICE, "a", ["record", "read"])
    access = {"auth_mode": "api_key", "api_keys": keys}
    owner = on_bucket(**access, signing_secret="the secret of a service that is not this one")
    other = on_bucket(**access, signing_secret=SIGNING_SECRET)
    shown = {"X-API-Key": ALICE}
    session_id = owner.post(SESSIONS, headers=shown).json()["session_id"]
    url = f"{other.ws_url}/{session_id}"
    assert greeting(url, additional_headers=shown)["code"] == "node_unreachable"
    path = f"{SESSIONS}/{session_id}"
    assert other.post(f"{path}/close", headers=shown).json()["code"] == "node_unreachable"
    assert other.get(path, headers=shown).json()["status"] == "active"  # from storage
    assert session_id not in "".join(
        line for line in owner.log if "/api/" in line and "/api/audio/sessions HTTP" not in line
    )
    health = other.get("/health")
    assert (health.status_code, health.json()["status"]) == (200, "degraded")
    assert "SIGNING_SECRET" in health.json()["problems"][0]


def test_without_authentication_a_relayed_request_carries_no_credentials(
    on_bucket: Callable[..., Service],
) -> None:
    owner, other = on_bucket(log_level="debug"), on_bucket()
    session_id = owner.post(SESSIONS).json()["session_id"]
    url = f"{other.ws_url}/{session_id}?%74oken=query-secret&resume=true"
    with connect(url, subprotocols=["bearer", "offered-secret"]) as socket:  # type: ignore[list-item]
        assert json.loads(socket.recv())["message"] == "Session resumed"
        assert socket.subprotocol == "bearer"
    answer = other.get(f"{SESSIONS}/{session_id}?token=query-secret", headers={"X-API-Key": ALICE})
    assert answer.json()["status"] == "active"
    assert owner.stop() == 0
    seen = "".join(owner.log)
    assert f"/api/ws/audio/{session_id}?resume=true" in seen
    assert f"/api/audio/sessions/{session_id}?" in seen or f"{session_id} HTTP" in seen
    assert "oken" not in seen


def test_a_redirect_to_the_bucket_ends_no_later_than_the_token_or_link_that_led_to_it(
    on_bucket: Callable[..., Service],
) -> None:
    service = on_bucket(
        auth_mode="api_key",
        api_keys=key_line(ALICE, "a", ["record", "read"]),
        signing_secret=SIGNING_SECRET,
        session_token_ttl_seconds=100,
    )
    created = service.post(SESSIONS, headers={"X-API-Key": ALICE}).json()
    greeting(created["ws_url"])
    path = f"{SESSIONS}/{created['session_id']}"
    shown = {"Authorization": f"Bearer {created['token']}"}
    link = service.get(f"{path}/download", headers=shown).json()["url"]
    service.post(f"{path}/close", headers={"X-API-Key": ALICE})
    presigned = service.get(f"{path}/download", headers=shown).json()["url"]
    for url in (f"{path}/audio?token={created['token']}", link.removeprefix(service.url)):
        redirect = service.get(url, allow_redirects=False)
        assert redirect.status_code == 307
        assert lifetime(redirect.headers["Location"]) <= 100
    assert lifetime(presigned) <= 100


def lifetime(presigned_url: str) -> int:
    return int(parse_qs(urlsplit(presigned_url).query)["X-Amz-Expires"][0])
