"""Every endpoint with every kind of credential, as docs/security.md lists it.

Each row of the table is checked against a real service. An endpoint without a row fails, and so
does a row without an endpoint.
"""

import contextlib
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from api.app import create_app
from api.settings import Settings
from tests.audio import pcm
from tests.platforms.binary import jambonz
from tests.service import Service

MANUAL = (Path(__file__).parent.parent / "docs" / "security.md").read_text()
SECRET = "a-secret-of-the-identity-provider"
OPENS = "opens"

Row = dict[str, str]


def rows() -> dict[str, Row]:
    table = re.search(r"^\| endpoint \|.*?(?=\n\n)", MANUAL, re.MULTILINE | re.DOTALL)
    assert table is not None
    head, _, *lines = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table[0].splitlines()
    ]
    return {cells[0].strip("`"): dict(zip(head[1:], cells[1:], strict=True)) for cells in lines}


ROWS = rows()
CASES = [(endpoint, credential) for endpoint, row in ROWS.items() for credential in row]


def endpoints() -> set[str]:
    """Return the endpoints of the application for callers, without those of the framework.

    tests/api/routes/test_workers.py tests those that only other workers reach.
    """
    found = set()
    for route in create_app(Settings()).routes:
        path = route.path_format
        if hasattr(route, "route_handler_map"):
            found |= {f"{method} {path}" for method in route.route_handler_map}
        else:
            found.add(f"WS {path}")
    others = re.compile("OPTIONS |GET /docs/|[A-Z]+ /workers/")
    return {endpoint for endpoint in found if not others.match(endpoint)}


def test_every_endpoint_has_a_row_in_the_table() -> None:
    assert endpoints() == set(ROWS)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Any:
    service = Service(
        tmp_path_factory.mktemp("recordings"),
        auth_mode="jwt",
        jwt_secret=SECRET,
        jwt_issuer="https://id.example",
        jwt_audience="recorder",
        max_concurrent_sessions=1000,
    ).start()
    yield service
    assert service.stop() == 0


def token(user: str, scope: str, *, lifetime_seconds: float = 86400) -> str:
    claims = {
        "sub": user,
        "scope": scope,
        "iss": "https://id.example",
        "aud": "recorder",
        "exp": datetime.now(UTC) + timedelta(seconds=lifetime_seconds),
    }
    return jwt.encode(claims, SECRET, "HS256")


ALICE = token("alice", "record read")
CREDENTIALS: dict[str, str] = {
    "no": "",
    "bad": ALICE[:-3] + ("AAA" if ALICE[-3:] != "AAA" else "BBB"),
    "expired": token("alice", "record read", lifetime_seconds=-60),
    "other's": token("bob", "record read"),
    "read only": token("alice", "read"),
    "right": ALICE,
    "admin": token("root", "admin"),
}


@pytest.fixture
def created(service: Service) -> dict[str, Any]:
    """An active session of alice with some audio."""
    created: dict[str, Any] = service.post("/api/audio/sessions", headers=bearer(ALICE)).json()
    with connect(created["ws_url"]) as socket:
        socket.recv()
        socket.send(pcm(100))
        socket.recv()
    return created


def bearer(credential: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {credential}"} if credential else {}


@pytest.mark.parametrize(("endpoint", "credential"), CASES, ids=[f"{e}-{c}" for e, c in CASES])
def test_each_credential_gets_the_documented_answer(
    service: Service, created: dict[str, Any], endpoint: str, credential: str
) -> None:
    shown = created["token"] if credential == "session token" else CREDENTIALS[credential]
    method, _, path = endpoint.partition(" ")
    names = {"/page/{name}": "main.js", "/vendor/{name}": "swagger-ui.css"}
    name = names.get(path, "chunk-store.js")
    is_about_links = "/links" in path or path.startswith("/l/")
    link = share(service, created["session_id"]) if is_about_links else {}
    path = path.format(
        session_id=created["session_id"],
        name=name,
        path="docs/index.html",
        dialect="jambonz",
        token="x",
        vendor="x",
        link_id=link.get("link_id"),
        secret=link.get("url", "").rpartition("/")[2],
    )
    expected = ROWS[endpoint][credential]
    if method == "WS":
        assert handshake(service, path, bearer(shown)) == expected
        return
    body = {"label": "a mark"} if path.endswith("/marks") else None
    answer = requests.request(
        method,
        service.url + path,
        headers=bearer(shown),
        json=body,
        timeout=30,
        allow_redirects=False,
    )
    assert str(answer.status_code) == expected, answer.text
    if answer.status_code == 401:
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    info = service.get(f"/api/audio/sessions/{created['session_id']}", headers=bearer(ALICE))
    was_deleted = endpoint == "DELETE /api/audio/sessions/{session_id}" and expected == "200"
    was_closed = is_about_links or (endpoint.endswith("/close") and expected == "200")
    assert info.status_code == (404 if was_deleted else 200)
    if not was_deleted:
        assert info.json()["status"] == ("completed" if was_closed else "active")


def share(service: Service, session_id: str) -> dict[str, str]:
    """Complete a session of alice; return a link to it."""
    path = f"/api/audio/sessions/{session_id}"
    service.post(f"{path}/close", headers=bearer(ALICE))
    link: dict[str, str] = service.post(f"{path}/links", headers=bearer(ALICE)).json()
    return link


def handshake(service: Service, path: str, headers: dict[str, str]) -> str:
    with connect(f"ws://127.0.0.1:{service.port}{path}", additional_headers=headers) as socket:
        if path.startswith(("/api/ws/call", "/record/")):
            return handshake_of_call(socket)
        message = str(socket.recv())
        if '"type":"session"' in message:
            return OPENS
        assert '"type":"error"' in message
        with pytest.raises(ConnectionClosed):
            socket.recv()
        return str(socket.protocol.close_code)


def handshake_of_call(socket: ClientConnection) -> str:
    """The service says nothing to a platform: a connection that answers a ping stays open."""
    try:
        socket.send(jambonz())
        socket.send(pcm(160))
        pong = socket.ping()
        while not pong.wait(0.05):  # to a connection that is closed there is none
            with contextlib.suppress(TimeoutError):
                socket.recv(timeout=0)
        socket.recv(timeout=0.2)
    except TimeoutError:
        return OPENS
    except ConnectionClosed:
        return str(socket.protocol.close_code)
    raise AssertionError("a message to a platform")


SHOWING: dict[str, Callable[[str], dict[str, Any]]] = {
    "bearer header": lambda shown: {"additional_headers": bearer(shown)},
    "key header": lambda shown: {"additional_headers": {"X-API-Key": shown}},
    "subprotocol": lambda shown: {"subprotocols": ["bearer", shown]},
}


@pytest.mark.parametrize("way", SHOWING)
@pytest.mark.parametrize("credential", ["right", "session token"])
def test_a_websocket_accepts_credentials_in_each_documented_place(
    service: Service, created: dict[str, Any], way: str, credential: str
) -> None:
    shown = created["token"] if credential == "session token" else CREDENTIALS[credential]
    url = f"{service.ws_url}/{created['session_id']}?resume=true"
    with connect(url, **SHOWING[way](shown)) as socket:
        assert '"chunk_count":1' in str(socket.recv())
        assert socket.subprotocol == ("bearer" if way == "subprotocol" else None)


def test_a_provider_token_in_the_query_is_refused(
    service: Service, created: dict[str, Any]
) -> None:
    path = f"/api/audio/sessions/{created['session_id']}"
    assert service.get(f"{path}?token={created['token']}").status_code == 200
    assert service.get(f"{path}?token={ALICE}").status_code == 401


def test_users_list_their_own_sessions_and_admins_list_all(
    service: Service, created: dict[str, Any]
) -> None:
    def listed(credential: str, query: str = "") -> set[str]:
        answer = service.get(f"/api/audio/sessions?limit=1000{query}", headers=bearer(credential))
        return {session["session_id"] for session in answer.json()["sessions"]}

    assert created["session_id"] in listed(ALICE)
    assert created["session_id"] not in listed(CREDENTIALS["other's"])
    assert created["session_id"] in listed(CREDENTIALS["admin"])
    assert created["session_id"] in listed(CREDENTIALS["admin"], "&user_id=alice")
    assert created["session_id"] not in listed(CREDENTIALS["admin"], "&user_id=bob")


@pytest.mark.parametrize(
    ("credential", "user_id", "status", "owner"),
    [
        ("right", "alice", 201, "alice"),
        ("right", None, 201, "alice"),
        ("right", "bob", 403, None),
        ("admin", "bob", 201, "bob"),
        ("admin", None, 201, "root"),
    ],
)
def test_only_an_admin_may_name_other_users(
    service: Service, credential: str, user_id: str | None, status: int, owner: str | None
) -> None:
    headers = bearer(CREDENTIALS[credential])
    answer = service.post("/api/audio/sessions", headers=headers, json={"user_id": user_id})
    assert answer.status_code == status
    assert answer.json().get("session", {}).get("user_id") == owner
    listing = service.get(
        "/api/audio/sessions", headers=headers, params={"user_id": user_id} if user_id else {}
    )
    assert listing.status_code == (403 if status == 403 else 200)


def test_a_read_token_may_read_audio_and_may_not_record(
    service: Service, created: dict[str, Any]
) -> None:
    path = f"/api/audio/sessions/{created['session_id']}"
    made = service.post(f"{path}/tokens", headers=bearer(ALICE), json={"scope": "read"})
    assert (made.status_code, made.json()["scope"]) == (201, "read")
    shown = bearer(made.json()["token"])
    assert service.get(f"{path}/audio", headers=shown).content[80:] == pcm(100)
    assert handshake(service, f"/api/ws/audio/{created['session_id']}", shown) == "1008"
    assert service.post(f"{path}/close", headers=shown).status_code == 403


def test_a_caller_that_may_only_record_cannot_read_with_the_tokens_that_it_makes(
    service: Service, created: dict[str, Any]
) -> None:
    recorder = bearer(token("alice", "record"))
    path = f"/api/audio/sessions/{created['session_id']}"
    made = service.post(f"{path}/tokens", headers=recorder).json()["token"]
    own = service.post("/api/audio/sessions", headers=recorder).json()
    for session_id, shown in ((created["session_id"], made), (own["session_id"], own["token"])):
        path = f"/api/audio/sessions/{session_id}"
        for reading in ("audio", "download", "waveform"):
            assert service.get(f"{path}/{reading}", headers=bearer(shown)).status_code == 403
        assert handshake(service, f"/api/ws/audio/{session_id}/listen", bearer(shown)) == "1008"
        assert handshake(service, f"/api/ws/audio/{session_id}", bearer(shown)) == OPENS


@pytest.mark.parametrize("kind", ["session token", "token of the provider"])
def test_a_link_ends_no_later_than_the_token_that_it_was_made_with(
    service: Service, created: dict[str, Any], kind: str
) -> None:
    path = f"/api/audio/sessions/{created['session_id']}"
    ends_at = datetime.now(UTC) + timedelta(seconds=600)
    shown = token("alice", "read", lifetime_seconds=600)
    if kind == "session token":
        made = service.post(f"{path}/tokens", headers=bearer(ALICE)).json()
        shown, ends_at = made["token"], datetime.fromisoformat(made["expires_at"])
    link = service.get(f"{path}/download", headers=bearer(shown)).json()
    assert datetime.fromisoformat(link["expires_at"]) <= ends_at
    longer = service.get(f"{path}/download", headers=bearer(ALICE)).json()
    assert datetime.fromisoformat(longer["expires_at"]) > ends_at


def test_an_id_in_upper_case_gets_the_answers_of_the_same_id_in_lower_case(
    service: Service, created: dict[str, Any]
) -> None:
    theirs, unknown = created["session_id"], "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"
    bob = bearer(CREDENTIALS["other's"])
    for method, path in (
        ("GET", ""), ("GET", "/audio"), ("GET", "/waveform"), ("GET", "/download"),
        ("POST", "/close"), ("POST", "/tokens"), ("DELETE", ""),
        ("POST", "/links"), ("GET", "/links"),
    ):  # fmt: skip
        for session_id in (theirs, unknown):
            url = f"{service.url}/api/audio/sessions/{session_id.upper()}{path}"
            answer = requests.request(method, url, headers=bob, timeout=30)
            assert answer.status_code == 404
            assert answer.json() == {
                "error": "Session not found",
                "code": "session_not_found",
                "session_id": session_id,
            }
    own = service.get(f"/api/audio/sessions/{theirs.upper()}", headers=bearer(ALICE)).json()
    assert own["session_id"] == theirs


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(["audio.v1"], "audio.v1"), (["b", "a"], "b"), (["bearer", ALICE], "bearer"), ([], None)],
)
def test_a_client_that_offers_subprotocols_gets_one_of_them(
    service: Service, offered: list[str], chosen: str | None
) -> None:
    with connect(service.ws_url, subprotocols=offered or None) as socket:  # type: ignore[arg-type]
        assert socket.subprotocol == chosen


def test_a_signed_link_opens_its_file_without_other_credentials(
    service: Service, created: dict[str, Any]
) -> None:
    path = f"/api/audio/sessions/{created['session_id']}"
    link = service.get(f"{path}/download", headers=bearer(ALICE)).json()["url"]
    assert requests.get(link, timeout=30).content[80:] == pcm(100)
    service.delete(path, headers=bearer(ALICE))
    assert requests.get(link, timeout=30).status_code == 404


def test_only_an_admin_learns_where_a_recording_is_stored(
    service: Service, created: dict[str, Any]
) -> None:
    session_id = created["session_id"]
    name, path = f"{session_id}.wav", f"/api/audio/sessions/{session_id}"

    def told(credential: str) -> set[str]:
        headers = bearer(CREDENTIALS.get(credential, credential))
        found = {service.get(path, headers=headers).json()["file_path"]}
        if credential != created["token"]:
            page = service.get("/api/audio/sessions", headers=headers).json()["sessions"]
            found |= {info["file_path"] for info in page if info["session_id"] == session_id}
        return found

    assert created["session"]["file_path"] == name
    for credential in ("right", "read only", created["token"]):
        assert told(credential) == {name}
    assert told("admin") == {str(service.wav(session_id))}
    closed = service.post(f"{path}/close", headers=bearer(ALICE)).json()
    assert closed["session"]["file_path"] == name
