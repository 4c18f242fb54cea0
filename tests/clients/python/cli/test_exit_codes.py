"""The exit codes of the commands, and the output of an error."""

from collections.abc import Callable
from pathlib import Path

import pytest

from api.access.api_keys import key_line, new_key
from tests.audio import SPEECH
from tests.clients.python.cli.command import events, results, run
from tests.service import Service

_UNKNOWN_ID = "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"


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


def test_a_text_that_is_no_id_is_named_once(tmp_path: Path) -> None:
    done = run("download", "nope", cwd=tmp_path)
    assert done.returncode == 3
    assert done.stderr == "sercuescribe: 'nope' is not a session id\n"


def test_an_error_of_a_file_names_it_and_the_reason(service: Service, tmp_path: Path) -> None:
    session_id = service.post("/api/audio/sessions").json()["session_id"]
    output = tmp_path / "missing" / "a.wav"
    done = run("download", session_id, "-o", output, "--server", service.url)
    assert done.returncode == 1
    assert done.stderr.endswith(f"sercuescribe: {output}.part: No such file or directory\n")


def test_refused_credentials_are_exit_code_4(start_service: Callable[..., Service]) -> None:
    key = new_key()
    service = start_service(auth_mode="api_key", api_keys=key_line(key, "alice", ("record",)))
    keys = ("wrong", "not ASCII: é", key)
    for environ in ({}, *({"SERCUESCRIBE_KEY": each} for each in keys)):
        done = run("sessions", "list", "--server", service.url, environ=environ)
        assert done.returncode == 4, done.stderr
        assert len(done.stderr.splitlines()) == 1
    done = run("record", SPEECH, "--server", service.url, environ={"SERCUESCRIBE_KEY": "wrong"})
    assert done.returncode == 4


def test_an_unreachable_service_is_exit_code_5() -> None:
    done = run("sessions", "list", "--json", "--server", "http://127.0.0.1:1")
    assert done.returncode == 5
    assert events(done.stdout)[0]["code"] == "unreachable"


def test_a_json_error_lists_the_valid_values(service: Service) -> None:
    done = run("record", SPEECH, "--sample-rate", "1", "--json", "--server", service.url)
    assert done.returncode == 1
    assert results(done.stdout) == [
        {
            "event": "error",
            "code": "invalid_sample_rate",
            "error": "Invalid sample rate (valid: 8000, 16000, 22050, 44100, 48000, 96000)",
            "session_id": None,
            "source": str(SPEECH),
        }
    ]
