"""The scope and the owner are checked before a handler runs; tests/test_access.py has the table."""

from collections.abc import Iterator

import pytest

from api.access.api_keys import key_line, new_key
from api.access.authorization import effective_user
from api.access.identity import OPEN_ACCESS, Identity, Scope
from api.wire.errors import NotAllowedError
from tests.service import Service

SESSIONS = "/api/audio/sessions"
UNKNOWN = "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"
KEYS = {name: new_key() for name in ("alice", "bob", "reader", "root")}
SCOPES: dict[str, tuple[Scope, ...]] = {
    "alice": ("record", "read"),
    "bob": ("record", "read"),
    "reader": ("read",),
    "root": ("admin",),
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    lines = [key_line(KEYS[name], name, SCOPES[name]) for name in KEYS]
    folder = tmp_path_factory.mktemp("recordings")
    service = Service(folder, auth_mode="api_key", api_keys=";".join(lines)).start()
    yield service
    assert service.stop() == 0


def shown(name: str) -> dict[str, str]:
    return {"X-API-Key": KEYS[name]}


def test_a_foreign_session_gets_the_answer_of_an_unknown_one(service: Service) -> None:
    created = service.post(SESSIONS, headers=shown("alice")).json()["session_id"]
    foreign = service.get(f"{SESSIONS}/{created}", headers=shown("bob"))
    unknown = service.get(f"{SESSIONS}/{UNKNOWN}", headers=shown("bob"))
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.text.replace(created, UNKNOWN) == unknown.text
    for name in ("alice", "root"):
        assert service.get(f"{SESSIONS}/{created}", headers=shown(name)).status_code == 200


def test_a_missing_scope_is_named_before_the_session_is_looked_up(service: Service) -> None:
    refused = service.delete(f"{SESSIONS}/{UNKNOWN}", headers=shown("reader"))
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    assert "record" in refused.json()["error"]


def test_a_session_token_is_valid_for_its_own_session_only(service: Service) -> None:
    first = service.post(SESSIONS, headers=shown("alice")).json()
    second = service.post(SESSIONS, headers=shown("alice")).json()
    bearer = {"Authorization": f"Bearer {first['token']}"}
    assert service.get(f"{SESSIONS}/{first['session_id']}", headers=bearer).status_code == 200
    assert service.get(f"{SESSIONS}/{second['session_id']}", headers=bearer).status_code == 404
    assert service.get(SESSIONS, headers=bearer).status_code == 403


def test_only_an_admin_acts_for_another_user() -> None:
    alice = Identity("alice", frozenset({"record"}))
    assert effective_user(alice, None) == effective_user(alice, "alice") == "alice"
    with pytest.raises(NotAllowedError):
        effective_user(alice, "bob")
    root = Identity("root", frozenset({"admin"}))
    assert (effective_user(root, "bob"), effective_user(root, None)) == ("bob", "root")
    assert (effective_user(OPEN_ACCESS, "bob"), effective_user(OPEN_ACCESS, None)) == ("bob", None)
