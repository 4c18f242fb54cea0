"""The progress of a recording, on a terminal."""

import contextlib
import os
import pty
from collections.abc import Iterator
from pathlib import Path

from tests.audio import SPEECH
from tests.clients.python.cli.command import server_environ, start
from tests.service import Service


def pieces(terminal: int) -> Iterator[bytes]:
    """Yield what is displayed until the program has ended."""
    with contextlib.suppress(OSError):  # EIO: no process has the terminal open (pty(7))
        while piece := os.read(terminal, 65536):
            yield piece


def test_progress_goes_to_the_terminal_and_the_result_to_stdout(
    service: Service, tmp_path: Path
) -> None:
    terminal, display = pty.openpty()
    with (tmp_path / "out").open("w") as out:
        environ = {**server_environ(service), "TERM": "xterm", "COLUMNS": "200"}
        with start("record", SPEECH, stdout=out, stderr=display, environ=environ):
            os.close(display)
            seen = b"".join(pieces(terminal)).decode()
    os.close(terminal)
    session_id, seconds, *_ = (tmp_path / "out").read_text().split()
    assert seconds == "4.77"
    assert f"speech.wav: session {session_id}" in seen
    assert "4.8 s, 4 acked, 4 persisted" in seen
