"""The audit log has one line per event, with the user, and holds no secret."""

import http.client
import json
from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from api.access.api_keys import key_line, new_key
from tests import engines
from tests.audio import pcm
from tests.service import Service
from tests.webhook_receiver import SECRET, webhook_receiver

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
    raw = http.client.HTTPConnection("127.0.0.1", service.port)  # does not decode the name
    raw.request("GET", f"{path}?%74oken={token}x")
    assert raw.getresponse().status == 401
    raw.close()
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
    assert "%74oken=(redacted)" in log
    assert "signature=(redacted)" in log
    manifests = "".join(path.read_text() for path in service.folder.glob("*.json"))
    assert key not in manifests


@pytest.mark.parametrize(("level", "log_format"), [("debug", "text"), ("info", "json")])
def test_no_key_is_logged_at_any_level_also_if_it_is_shown_in_a_wrong_place(
    start_service: Callable[..., Service], moto_url: str, key: str, level: str, log_format: str
) -> None:
    service = start_service(
        auth_mode="api_key",
        api_keys=key_line(key, "alice", ["record", "read"]),
        log_level=level,
        log_format=log_format,
        storage_backend="s3",
        s3_bucket=engines.BUCKET,
        s3_endpoint_url=moto_url,
        signing_secret="a secret of thirty-two characters",
    )
    for shown in ({"X-API-Key": key}, {"Authorization": f"Bearer {key}"}, {"Cookie": key}):
        service.get(SESSIONS, headers=shown)
        with connect(service.ws_url, additional_headers=shown) as socket:
            socket.recv()
    with connect(service.ws_url, subprotocols=["bearer", key]) as socket:  # type: ignore[list-item]
        socket.recv()
    service.get(f"{SESSIONS}?api_key={key}")
    service.get(f"{SESSIONS}/{key}")
    service.get(f"/{key}")
    assert service.stop() == 0
    log = "".join(service.log)
    assert key not in log
    assert engines.SECRET_KEY not in log
    assert "AWS4-HMAC" not in log


def denials(service: Service) -> list[str]:
    assert service.stop() == 0
    return [line["reason"] for line in events(service) if line["event"] == "denied"]


def test_a_session_that_authorize_url_refuses_has_one_line_with_the_user(
    start_service: Callable[..., Service], key: str
) -> None:
    with webhook_receiver() as receiver:
        receiver.status = 403
        service = start_service(
            auth_mode="api_key",
            api_keys=key_line(key, "alice", ["record"]),
            authorize_url=receiver.url,
            webhook_secrets=SECRET,
        )
        shown = {"X-API-Key": key}
        assert service.post(SESSIONS, headers=shown).json()["code"] == "not_allowed"
        with connect(service.ws_url, additional_headers=shown) as socket:
            assert json.loads(socket.recv())["code"] == "not_allowed"
        assert service.stop() == 0
    assert "hidden" not in "".join(service.log)  # the URL has a secret
    assert [(line["event"], line["user"], line["reason"]) for line in events(service)] == [
        ("denied", "alice", "Not allowed: AUTHORIZE_URL has refused this session")
    ] * 2


def test_everything_that_is_denied_has_one_line(
    start_service: Callable[..., Service], key: str
) -> None:
    reader = new_key()
    lines = [key_line(key, "alice", ["record", "read"]), key_line(reader, "bob", ["read"])]
    service = start_service(
        auth_mode="api_key", api_keys=";".join(lines), max_new_sessions_per_minute=3
    )
    alice, bob = {"X-API-Key": key}, {"X-API-Key": reader}
    created = service.post(SESSIONS, headers=alice).json()
    path = f"{SESSIONS}/{created['session_id']}"
    token = {"Authorization": f"Bearer {created['token']}"}
    service.get(f"{path}/audio?expires=9999999999&signature=forged")
    service.post(f"{path}/tokens", headers=token)
    service.delete(path, headers=token)
    service.get(path, headers=bob)
    service.post(SESSIONS, headers=bob)
    service.get(SESSIONS, headers=alice, params={"user_id": "bob"})
    service.post(SESSIONS, headers=alice, json={"user_id": "bob"})
    with connect(f"{service.ws_url}?user_id=bob", additional_headers=alice) as socket:
        socket.recv()
    service.post(f"{path}/close", headers=alice | {"Origin": "https://evil.example"})
    assert service.post(SESSIONS, headers=alice).status_code == 429
    reasons = [
        "signature",
        "cannot create tokens",
        "cannot delete",
        "Session not found",
        "scope record is required",
        "user_id names another user",
        "user_id names another user",
        "user_id names another user",
        "origin",
        "Too many requests",
    ]
    denied = denials(service)
    assert len(denied) == len(reasons)
    assert all(reason in line for reason, line in zip(reasons, denied, strict=True)), denied


def test_a_host_that_is_not_allowed_and_the_reading_of_a_waveform_have_a_line(
    start_service: Callable[..., Service],
) -> None:
    service = start_service()
    session_id = service.post(SESSIONS).json()["session_id"]
    service.get(f"{SESSIONS}/{session_id}/waveform")
    service.get(SESSIONS, headers={"Host": "evil.example"})
    assert ["evil.example" in reason for reason in denials(service)] == [True]
    (read,) = [line for line in events(service) if line["event"] == "read"]
    assert (read["session_id"], read["reason"]) == (session_id, "waveform")
