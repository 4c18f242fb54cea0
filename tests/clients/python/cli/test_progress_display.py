"""The progress of a recording, on a terminal."""

import os
import pty
from pathlib import Path

from tests.audio import SPEECH
from tests.clients.python.cli.command import server_environ, start
from tests.service import Service


def test_progress_goes_to_the_terminal_and_the_result_to_stdout(
    service: Service, tmp_path: Path
) -> None:
    terminal, display = pty.openpty()
    with (tmp_path / "out").open("w") as out:
        environ = {**server_environ(service), "TERM": "xterm", "COLUMNS": "200"}
        with start("record", SPEECH, stdout=out, stderr=display, environ=environ) as process:
            process.wait(30)
    os.close(display)
    seen = os.read(terminal, 65536).decode()
    os.close(terminal)
    session_id, seconds, *_ = (tmp_path / "out").read_text().split()
    assert seconds == "4.77"
    assert f"speech.wav: session {session_id}" in seen
    assert "4.8 s, 4 acked, 4 persisted" in seen
