"""Ctrl-C: the first one finishes the session, the second one ends the command at once."""

import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.audio import pcm, wav
from tests.clients.python.cli.command import events, next_event, server_environ, start
from tests.eventually import eventually
from tests.service import Service


def test_ctrl_c_finishes_the_session(service: Service) -> None:
    with start(
        "record", "-", "--json", stdin=subprocess.PIPE, environ=server_environ(service)
    ) as process:
        assert process.stdin is not None
        process.stdin.write("four")
        process.stdin.flush()
        session_id = next_event(process.stdout, "session")["session_id"]
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert events(out)[-1]["event"] == "completed"
    assert service.manifest(session_id)["status"] == "completed"
    assert service.pcm(session_id) == b"four"


async def test_ctrl_c_before_any_input_quits_at_once(service: Service) -> None:
    with start("record", "-", stdin=subprocess.PIPE, environ=server_environ(service)) as process:
        waiting = psutil.Process(process.pid)
        await eventually(
            lambda: waiting.status() == psutil.STATUS_SLEEPING and handles_sigint(process.pid),
            awaiting="a process that waits for input",
        )
        process.send_signal(signal.SIGINT)
        process.wait(60)
        assert (process.returncode, process.communicate()) == (130, ("", ""))


def handles_sigint(pid: int) -> bool:
    """Return whether the process handles SIGINT on its event loop, which also catches SIGTERM."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(re.search(r"SigCgt:\s*(\w+)", status)[1], 16)  # type: ignore[index]
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def is_pending(pid: int, number: signal.Signals) -> bool:
    """Return whether a signal has been sent to the process and has not been handled."""
    status = Path(f"/proc/{pid}/status").read_text()
    pending = int(re.search(r"ShdPnd:\s*(\w+)", status)[1], 16)  # type: ignore[index]
    return bool(pending >> (number - 1) & 1)


async def test_a_second_ctrl_c_quits_at_once_and_keeps_the_session_active(
    start_service: Callable[..., Service], tmp_path: Path
) -> None:
    service = start_service()
    path = tmp_path / "long.wav"
    path.write_bytes(wav(pcm(44100 * 60)))
    with start("record", path, "--realtime", "--json", environ=server_environ(service)) as process:
        session_id = next_event(process.stdout, "session")["session_id"]
        while next_event(process.stdout, "progress")["acked"] < 2:
            pass
        service.kill()
        process.send_signal(signal.SIGINT)
        await eventually(
            lambda: not is_pending(process.pid, signal.SIGINT), awaiting="the first signal handled"
        )
        next_event(process.stdout, "progress")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == f"sercuescribe: session {session_id} is not finished\n"
    service.start()
    assert service.get(f"/api/audio/sessions/{session_id}").json()["status"] == "active"
