"""What is seen while audio goes in or out: a bar for people, JSON lines for programs."""

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any, Protocol

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from sercuescribe_client.cli.sources import Source
from sercuescribe_client.downloading import OnBytes
from sercuescribe_client.messages import Progress as SessionProgress
from sercuescribe_client.session import Session


class Screen(Protocol):
    """Where a recording is shown, source after source."""

    interval_seconds: float

    def begin(self, source: Source, session: Session) -> None: ...

    def show(self, session: Session, sent_bytes: int) -> None: ...

    def finishing(self) -> None: ...

    def left_unfinished(self, session: Session) -> None: ...

    def end(self, session: Session, sent_bytes: int) -> None: ...


class BarScreen:
    """A bar on standard error while it lasts, one line on standard output for each recording."""

    interval_seconds = 0.1

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task: TaskID | None = None

    def begin(self, source: Source, session: Session) -> None:
        self._bar.start()
        self._task = self._bar.add_task(source.name, total=source.size, state="")
        self._bar.console.print(f"{source.name}: session {session.session_id}", highlight=False)

    def show(self, session: Session, sent_bytes: int) -> None:
        if self._task is not None:
            state = _state(session)
            self._bar.update(self._task, completed=sent_bytes, state=state)

    def finishing(self) -> None:
        self._bar.console.print("finishing the session; Ctrl-C again ends at once")

    def left_unfinished(self, session: Session) -> None:
        self._bar.stop()
        _say_left(session)

    def end(self, session: Session, sent_bytes: int) -> None:
        self.show(session, sent_bytes)
        self._bar.stop()  # what is printed would break its line
        duration = session.progress.duration_seconds
        click.echo(f"{session.session_id}  {duration:.2f} s  {session.url}")


class JsonScreen:
    """One object per line on standard output."""

    interval_seconds = 1.0

    def __init__(self) -> None:
        self._began, self._source = time.monotonic(), ""

    def begin(self, source: Source, session: Session) -> None:
        self._began, self._source = time.monotonic(), source.name
        _say("session", session, source=self._source)

    def show(self, session: Session, sent_bytes: int) -> None:
        _say("progress", session, **self._counts(session, sent_bytes))

    def finishing(self) -> None:
        pass

    def left_unfinished(self, session: Session) -> None:
        _say_left(session)

    def end(self, session: Session, sent_bytes: int) -> None:
        error = str(session.decode_error) if session.decode_error else None
        counts = self._counts(session, sent_bytes)
        _say("completed", session, source=self._source, url=session.url, **counts, error=error)

    def _counts(self, session: Session, sent_bytes: int) -> dict[str, Any]:
        progress = session.progress
        return {
            "bytes": sent_bytes,
            "chunks": progress.chunks,
            "acked": progress.acked,
            "persisted": progress.persisted,
            "duration_seconds": progress.duration_seconds,
            "bytes_per_second": round(sent_bytes / max(time.monotonic() - self._began, 1e-3)),
            "connected": progress.is_connected,
        }


@contextlib.contextmanager
def recording_screen(*, as_json: bool) -> Iterator[Screen]:
    if as_json:
        yield JsonScreen()
        return
    bar = _bar("{task.fields[state]}")
    try:
        yield BarScreen(bar)
    finally:
        bar.stop()


@contextlib.contextmanager
def download_bar(name: str, *, is_shown: bool) -> Iterator[OnBytes]:
    with _bar("", is_shown=is_shown) as bar:
        task = bar.add_task(name, total=None)

        def on_bytes(size: int, total: int | None) -> None:
            bar.update(task, completed=size, total=total)

        yield on_bytes


def _bar(extra: str, *, is_shown: bool = True) -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn(extra, markup=False),
        console=console,
        redirect_stdout=False,  # it would go where the bar goes
        redirect_stderr=False,
        disable=not (is_shown and console.is_terminal),
    )


def _state(session: Session) -> str:
    progress: SessionProgress = session.progress
    state = (
        f"{progress.duration_seconds:.1f} s, {progress.acked} acked, {progress.persisted} persisted"
    )
    return state if progress.is_connected else f"{state}; {session.last_error}"


def _say(event: str, session: Session, **details: Any) -> None:
    click.echo(json.dumps({"event": event, "session_id": session.session_id, **details}))


def _say_left(session: Session) -> None:
    click.echo(f"sercuescribe: left unfinished: session {session.session_id}", err=True)
