"""``sercuescribe sessions`` and ``sercuescribe download`` against a real service."""

import pytest

from tests.audio import SPEECH
from tests.clients.python.cli.command import events, run
from tests.service import Service


@pytest.fixture
def session_id(service: Service) -> str:
    done = run("record", SPEECH, "--json", "--server", service.url)
    return str(events(done.stdout)[-1]["session_id"])


def test_sessions_are_listed_newest_first(service: Service, session_id: str) -> None:
    listed = run("sessions", "list", "--server", service.url).stdout.splitlines()
    assert listed[0].startswith(f"{session_id}  completed        4.77 s  22050 Hz  1 ch")
    (newest,) = events(
        run("sessions", "list", "--limit", "1", "--json", "--server", service.url).stdout
    )
    assert (newest["session_id"], newest["status"]) == (session_id, "completed")
    active = run("sessions", "list", "--status", "active", "--server", service.url)
    assert (active.returncode, active.stdout) == (0, "")


def test_a_session_can_be_edited(service: Service, session_id: str) -> None:
    def edit(*options: str) -> dict[str, object]:
        done = run("sessions", "edit", session_id, *options, "--json", "--server", service.url)
        return dict(events(done.stdout)[0])

    edited = edit("--title", "Interview", "--meta", "project=radio", "--meta", "room=2")
    assert (edited["title"], edited["metadata"]) == ("Interview", {"project": "radio", "room": "2"})
    assert edit("--meta", "room=3")["metadata"] == {"room": "3"}
    cleared = edit("--title", "", "--no-meta")
    assert (cleared["title"], cleared["metadata"]) == (None, {})
    assert run("sessions", "edit", session_id, "--server", service.url).returncode == 2


def test_sessions_can_be_shown_closed_and_deleted(service: Service, session_id: str) -> None:
    shown = run("sessions", "show", session_id, "--server", service.url)
    assert f"session_id:              {session_id}\n" in shown.stdout
    created = service.post("/api/audio/sessions").json()["session_id"]
    closed = run("sessions", "close", created, "--json", "--server", service.url)
    assert events(closed.stdout)[0]["status"] == "completed"
    deleted = run("sessions", "delete", created, "--server", service.url)
    assert (deleted.returncode, deleted.stdout) == (0, f"{created} deleted\n")
    assert run("sessions", "delete", created, "--server", service.url).returncode == 3
