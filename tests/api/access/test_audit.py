"""The audit log has one line per event, with the user, and holds no secret."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from api.access.api_keys import key_line, new_key
from tests.audio import pcm
from tests.service import Service

SESSIONS = "/api/audio/sessions"


@pytest.fixture
def key() -> str:
    return new_key()


@pytest.fixture
def service(start_service: Callable[..., Service], key: str) -> Service:
    return start_service(auth_mode="api_key", api_keys=key_line(key, "alice", ["record", "read"]))


def events(service: Service) -> list[dict[str, Any]]:
    lines = [line.partition("sercuescribe.audit: ")[2] for line in service.log]
    return [json.loads(line) for line in lines if line]


def test_each_event_has_one_log_line_and_no_line_holds_a_secret(service: Service, key: str) -> None:
    shown = {"X-API-Key": key}
    created = service.post(SESSIONS, headers=shown).json()
    session_id, token = created["session_id"], created["token"]
    path = f"{SESSIONS}/{session_id}"
    with connect(created["ws_url"]) as socket:
        socket.recv()
        socket.send(pcm(10))
        socket.recv()
    with connect(f"{service.ws_url}/{session_id}", subprotocols=["bearer", key]) as socket:  # type: ignore[list-item]
        socket.recv()
    made = service.post(f"{path}/tokens", headers=shown, json={"scope": "read"}).json()["token"]
    service.get(f"{path}/audio?token={made}")
    link = service.get(f"{path}/download", headers={"Authorization": f"Bearer {key}"}).json()["url"]
    service.get(link.removeprefix(service.url))
    service.post(f"{path}/close", headers=shown)
    service.get(path, headers={"X-API-Key": f"{key}x"})
    service.get(f"{path}?token={token}x")
    with connect(f"{service.ws_url}?token={key}") as socket, pytest.raises(ConnectionClosed):
        while True:
            socket.recv()
    service.delete(path, headers=shown)
    assert service.stop() == 0

    told = [(line["event"], line.get("user"), line.get("session_id")) for line in events(service)]
    assert told == [
        ("created", "alice", session_id),
        ("connected", "alice", session_id),
        ("connected", "alice", session_id),
        ("token", "alice", session_id),
        ("read", "alice", session_id),
        ("read", "alice", session_id),
        ("read", None, session_id),
        ("closed", "alice", session_id),
        ("denied", None, session_id),
        ("denied", None, session_id),
        ("denied", None, None),
        ("deleted", "alice", session_id),
    ]
    assert {line["client"] for line in events(service)} == {"127.0.0.1"}
    signature = link.partition("signature=")[2]
    log = "".join(service.log)
    for secret in (key, token, made, signature, key_line(key, "alice", ["read"]).split()[0]):
        assert secret not in log
    assert "token=(redacted)" in log
    assert "signature=(redacted)" in log
    manifests = "".join(path.read_text() for path in service.folder.glob("*.json"))
    assert key not in manifests
