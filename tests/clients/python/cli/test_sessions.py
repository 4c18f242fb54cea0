"""``sercuescribe sessions`` and ``sercuescribe download`` against a real service."""

import signal
import socket
import subprocess
from operator import itemgetter
from pathlib import Path

import pytest

from sercuescribe_client.cli.sessions import _timeline_text
from tests.audio import SPEECH, pcm, wav
from tests.clients.python.cli.command import events, run, start
from tests.service import Service


@pytest.fixture
def session_id(service: Service) -> str:
    done = run("record", SPEECH, "--json", "--server", service.url)
    return str(events(done.stdout)[-1]["session_id"])


def test_sessions_are_listed_newest_first(service: Service, session_id: str) -> None:
    header, first, *_ = run("sessions", "list", "--server", service.url).stdout.splitlines()
    assert header.split() == [
        "SESSION", "STATUS", "CREATED", "(UTC)", "DURATION", "SIZE", "USER", "TITLE"
    ]  # fmt: skip
    assert first.startswith(f"{session_id}  completed  ")
    assert first.endswith(f"     4.77 s      210 kB  -           {SPEECH.name}")
    (newest,) = events(
        run("sessions", "list", "--limit", "1", "--json", "--server", service.url).stdout
    )
    assert (newest["session_id"], newest["status"]) == (session_id, "completed")
    active = run("sessions", "list", "--status", "active", "--server", service.url)
    assert (active.returncode, active.stdout) == (0, "")


def test_sessions_are_found_by_time_text_and_metadata(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "Board meeting.wav"
    path.write_bytes(wav(pcm(100), sample_rate=16000))
    server = ("--json", "--server", service.url)
    done = run("record", path, "--meta", "room=7", *server)
    session_id = events(done.stdout)[-1]["session_id"]

    def found(*options: str) -> list[str]:
        listed = run("sessions", "list", *options, *server)
        assert listed.returncode == 0, listed.stderr
        return [each["session_id"] for each in events(listed.stdout)]

    assert found("--query", "board MEET") == [session_id]
    assert found("--meta", "room=7", "--since", "1h", "--oldest-first") == [session_id]
    assert found("--meta", "room=7", "--until", "1h") == []
    assert found("--meta", "room=7", "--until", "2020-01-01") == []
    assert run("sessions", "list", "--since", "lately", *server).returncode == 2


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
    assert edit("--hold", "--expires-at", "2999-01-01T00:00Z")["hold"] is True
    kept = edit("--title", "x")
    assert (kept["hold"], kept["expires_at"]) == (True, "2999-01-01T00:00:00+00:00")
    freed = edit("--no-hold", "--expires-at", "never")
    assert (freed["hold"], freed["expires_at"]) == (False, None)


def test_sessions_can_be_shown_closed_and_deleted(service: Service, session_id: str) -> None:
    shown = run("sessions", "show", session_id, "--server", service.url)
    assert f"session_id:              {session_id}\n" in shown.stdout
    created = service.post("/api/audio/sessions").json()["session_id"]
    closed = run("sessions", "close", created, "--json", "--server", service.url)
    assert events(closed.stdout)[0]["status"] == "completed"
    deleted = run("sessions", "delete", created, "--server", service.url)
    assert (deleted.returncode, deleted.stdout) == (0, f"{created} deleted\n")
    assert run("sessions", "delete", created, "--server", service.url).returncode == 3


def test_pauses_and_marks_are_shown_in_the_timeline(service: Service) -> None:
    session_id = service.post("/api/audio/sessions").json()["session_id"]
    for command in (("pause",), ("resume",), ("mark",)):
        label = ("Question 2",) if command == ("mark",) else ()
        done = run("sessions", *command, session_id, *label, "--server", service.url)
        assert done.returncode == 0, done.stderr
    shown = run("sessions", "timeline", session_id, "--server", service.url).stdout.splitlines()
    assert [line.split()[1] for line in shown] == ["paused", "resumed", "mark"]
    assert shown[-1].endswith("Question 2")
    assert "not listed" not in shown[-1]
    (timeline,) = events(
        run("sessions", "timeline", session_id, "--json", "--server", service.url).stdout
    )
    assert len(timeline["pauses"]) == 1
    service.post(f"/api/audio/sessions/{session_id}/close")


def test_several_sessions_are_deleted_and_one_that_fails_stops_no_other(service: Service) -> None:
    ids = [service.post("/api/audio/sessions").json()["session_id"] for _ in range(2)]
    missing = "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"
    server = ("--server", service.url)
    asked = run("sessions", "delete", *ids, *server, stdin=subprocess.DEVNULL)
    assert asked.returncode == 1
    assert "Delete 2 recordings?" in asked.stderr
    done = run("sessions", "delete", missing, *ids, "--yes", *server)
    assert done.returncode == 3
    assert done.stdout == "".join(f"{each} deleted\n" for each in ids)


def test_a_reader_that_reads_one_line_leaves_no_error_text(
    service: Service, session_id: str
) -> None:
    with subprocess.Popen(["true"], stdin=subprocess.PIPE) as reader:
        reader.wait()
        done = run("sessions", "list", "--server", service.url, stdout=reader.stdin)
    assert session_id
    assert done.stderr == ""


_ID = "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "command", [("list",), ("share", _ID), ("links", _ID), ("unshare", _ID, "a")], ids=itemgetter(0)
)
def test_ctrl_c_and_sigterm_end_a_command_alike(
    number: signal.Signals, command: tuple[str, ...]
) -> None:
    """The service accepts the connection and does not answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with start("sessions", *command, "--server", url) as process:
            connection, _ = server.accept()
            process.send_signal(number)
            out, err = process.communicate(timeout=60)
        connection.close()
    assert (process.returncode, out, err) == (130, "", "sercuescribe: interrupted\n")


def test_the_counts_of_what_a_timeline_does_not_list_are_its_last_line() -> None:
    lists: dict[str, list[object]] = {"connections": [], "gaps": [], "pauses": [], "marks": []}
    text = _timeline_text({**lists, "omitted": {"gaps": 3, "gap_seconds": 2.25}})
    assert text.splitlines()[-1] == "not listed: gaps=3 gap_seconds=2.25"


def test_a_timeline_is_in_the_order_of_time_also_at_a_whole_second() -> None:
    """The service leaves the fraction of a whole second out, and a "Z" sorts after a "."."""
    second = "2026-11-27T10:00:05"
    text = _timeline_text(
        {
            "connections": [],
            "gaps": [],
            "pauses": [{"began_at": f"{second}Z", "ended_at": f"{second}.120000Z", "seconds": 0.1}],
            "marks": [{"at": f"{second}.121000Z", "label": "a"}, {"at": f"{second}Z", "label": ""}],
        }
    )
    assert [line.split() for line in text.splitlines()] == [
        [f"{second}.000Z", "paused"],
        [f"{second}.000Z", "mark"],
        [f"{second}.120Z", "resumed", "0.1", "s"],
        [f"{second}.121Z", "mark", "a"],
    ]
