"""``sercuescribe sessions`` and ``sercuescribe download`` against a real service."""

import http.server
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from api.access.api_keys import key_line, new_key
from tests.audio import SPEECH, speech
from tests.clients.python.cli.command import events, run
from tests.service import Service

_UNKNOWN_ID = "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"


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


def test_sessions_can_be_shown_closed_and_deleted(service: Service, session_id: str) -> None:
    shown = run("sessions", "show", session_id, "--server", service.url)
    assert f"session_id:              {session_id}\n" in shown.stdout
    created = service.post("/api/audio/sessions").json()["session_id"]
    closed = run("sessions", "close", created, "--json", "--server", service.url)
    assert events(closed.stdout)[0]["status"] == "completed"
    deleted = run("sessions", "delete", created, "--server", service.url)
    assert (deleted.returncode, deleted.stdout) == (0, f"{created} deleted\n")
    assert run("sessions", "delete", created, "--server", service.url).returncode == 3


def test_a_recording_is_downloaded(service: Service, session_id: str, tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    done = run("download", session_id, "-o", path, "--server", service.url)
    assert (done.returncode, done.stdout) == (0, f"{path}  {path.stat().st_size} bytes\n")
    assert path.read_bytes()[80:] == speech()[44:]
    named = run("download", session_id, "--json", "--server", service.url, cwd=tmp_path)
    assert events(named.stdout)[0]["path"] == f"{session_id}.wav"
    assert (tmp_path / f"{session_id}.wav").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    "arguments",
    [("sessions", "show"), ("sessions", "close"), ("sessions", "delete"), ("download",)],
)
def test_an_unknown_session_is_exit_code_3(
    service: Service, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    done = run(*arguments, _UNKNOWN_ID, "--server", service.url, cwd=tmp_path)
    assert done.returncode == 3
    assert done.stderr == f"sercuescribe: Session not found (session {_UNKNOWN_ID})\n"


def test_refused_credentials_are_exit_code_4(start_service: Callable[..., Service]) -> None:
    key = new_key()
    service = start_service(auth_mode="api_key", api_keys=key_line(key, "alice", ("record",)))
    for environ in ({}, {"SERCUESCRIBE_KEY": "wrong"}, {"SERCUESCRIBE_KEY": key}):
        done = run("sessions", "list", "--server", service.url, environ=environ)
        assert done.returncode == 4, done.stderr
    done = run("record", SPEECH, "--server", service.url, environ={"SERCUESCRIBE_KEY": "wrong"})
    assert done.returncode == 4


def test_an_unreachable_service_is_exit_code_5() -> None:
    done = run("sessions", "list", "--json", "--server", "http://127.0.0.1:1")
    assert done.returncode == 5
    assert events(done.stdout)[0]["code"] == "unreachable"


def test_another_server_than_the_service_is_reported() -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), OtherServerHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        done = run("sessions", "list", "--server", f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()
    assert done.returncode == 1
    assert done.stderr.endswith("is not a SercueScribe service; check the address\n")


class OtherServerHandler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>")

    def log_message(self, *_: object) -> None:
        pass


def test_an_invalid_address_is_exit_code_2() -> None:
    assert run("sessions", "list", "--server", "ftp://x").returncode == 2
