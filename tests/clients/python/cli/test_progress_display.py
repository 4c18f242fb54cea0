"""The progress of a recording, on a terminal."""

import contextlib
import io
import os
import pty
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress

from sercuescribe_client import Client, Limits, SercueScribeError
from sercuescribe_client.cli.audio_sources import open_source
from sercuescribe_client.cli.progress_display import ProgressBarDisplay, SessionState
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


async def test_a_slow_service_is_named_once_and_each_failed_connection_has_a_line(
    service: Service,
) -> None:
    printed = io.StringIO()
    bar = Progress(console=Console(file=printed, width=200), disable=True)
    display = ProgressBarDisplay(bar, service.url, [1, 1, 1])
    source = await open_source(str(SPEECH))
    await source.chunks.aclose()
    async with Client(service.url) as client:
        for _ in range(2):
            session = client.create()
            display.show_state(source, session, SessionState.CONNECTING)
            async with session:
                display.show_start(source, session)
            display.show_source_done()
    named = f"{SPEECH.name}: connecting to {service.url} (attempt 0)"
    assert printed.getvalue().splitlines() == [f"{named}; --server names another service"]
    async with Client("http://127.0.0.1:1", limits=Limits(max_attempts=1)) as client:
        session = client.create()
        with pytest.raises(SercueScribeError):
            await session.__aenter__()
        display.show_state(source, session, SessionState.CONNECTING)
    _, failed = printed.getvalue().splitlines()
    assert "(attempt 1): " in failed
