"""``sercuescribe delete`` against a real service."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE

import pytest
from websockets.exceptions import ConnectionClosed

from tests.audio import pcm
from tests.clients.python.cli.command import events, run
from tests.service import Service

ADMIN, ALICE = "ssk_" + "a" * 43, "ssk_" + "u" * 43


@pytest.fixture
def service(start_service: Callable[..., Service], tmp_path: Path) -> Service:
    keys = tmp_path / "keys"
    keys.write_text(
        "".join(
            f"{hashlib.sha256(key.encode()).hexdigest()} {user} {scopes}\n"
            for key, user, scopes in (
                (ADMIN, "root", "record,read,admin"), (ALICE, "alice", "record,read"),
            )
        )
    )  # fmt: skip
    return start_service(auth_mode="api_key", api_keys_file=keys)


def create(service: Service, key: str) -> str:
    answer = service.post("/api/audio/sessions", headers={"X-API-Key": key})
    return str(answer.json()["session_id"])


def close(service: Service, session_id: str) -> None:
    service.post(f"/api/audio/sessions/{session_id}/close", headers={"X-API-Key": ADMIN})


async def test_all_recordings_of_a_user_go_the_live_ones_too_and_others_stay(
    service: Service,
) -> None:
    completed, live = create(service, ALICE), create(service, ALICE)
    close(service, completed)
    other = create(service, ADMIN)
    path = f"/api/audio/sessions/{completed}/links"
    link = service.post(path, headers={"X-API-Key": ALICE}).json()["url"]
    options = ("--server", service.url, "--key", ADMIN)
    # A session token is worth nothing when its session is gone.
    token = service.post(f"/api/audio/sessions/{live}/tokens", headers={"X-API-Key": ALICE}).json()[
        "token"
    ]
    async with service.session(f"/{live}", token=token) as client:
        await client.send(pcm(1000))
        done = run("delete", "alice", "--yes", *options)
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        assert [line.split()[:3] for line in lines[:-1]] == [
            [live, "deleted", "active"], [completed, "deleted", "completed"],
        ]  # fmt: skip
        assert lines[-1] == "deleted=2 active=1 held=0 failed=0 left=0"
        with pytest.raises(ConnectionClosed):
            while True:
                await client.receive()
    answer = service.get(f"/api/audio/sessions/{live}", params={"token": token})
    assert answer.status_code in {401, 403, 404}
    assert {path.stem for path in service.folder.glob("0*")} == {other}
    assert service.get(link.removeprefix(service.url)).status_code == 404
    again = run("delete", "alice", "--json", *options)
    assert events(again.stdout) == [
        {
            "event": "done",
            "user_id": "alice",
            "deleted": 0,
            "active": 0,
            "held": 0,
            "failed": 0,
            "left": 0,
        }
    ]


def test_sessions_with_a_hold_are_left_and_named(service: Service) -> None:
    free, held = create(service, ALICE), create(service, ALICE)
    path = f"/api/audio/sessions/{held}"
    answer = service.patch(path, json={"hold": True}, headers={"X-API-Key": ALICE})
    assert answer.status_code == 200
    for key, status in ((ALICE, 403), (ADMIN, 200)):
        options = ("--json", "--yes", "--server", service.url, "--key", ADMIN)
        done = run("delete", "alice", *options)
        outcomes = {each.get("session_id"): each["event"] for each in events(done.stdout)}
        assert outcomes.pop(held) == "held"
        assert outcomes.pop(free, "deleted") == "deleted"
        assert done.returncode == 1
        answer = service.patch(path, json={"hold": False}, headers={"X-API-Key": key})
        assert answer.status_code == status
    done = run("delete", "alice", "--yes", "--server", service.url, "--key", ADMIN)
    assert done.stdout.splitlines()[-1] == "deleted=1 active=1 held=0 failed=0 left=0"


def test_it_asks_first_and_only_an_admin_deletes_what_others_have_recorded(
    service: Service,
) -> None:
    ids = [create(service, ALICE) for _ in range(2)]
    for each in ids:
        close(service, each)
    done = run("delete", "alice", "--server", service.url, "--key", ALICE, input="n\n", stdin=PIPE)
    assert done.returncode == 1
    assert (service.folder / f"{ids[0]}.json").exists()
    done = run("delete", "alice", "--server", service.url, "--key", "wrong", "--yes")
    assert done.returncode == 4
    done = run("delete", "root", "--server", service.url, "--key", ALICE, "--yes")
    assert done.returncode == 4
    done = run("delete", "alice", "--server", service.url, "--key", ADMIN, input="y\n", stdin=PIPE)
    assert done.returncode == 0
    assert "deleted=2 " in done.stdout
