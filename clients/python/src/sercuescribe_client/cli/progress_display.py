"""The progress of a recording or download: a progress bar, or JSON lines for programs."""

import contextlib
import dataclasses
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

from sercuescribe_client.cli.audio_sources import AudioSource
from sercuescribe_client.download import ProgressCallback
from sercuescribe_client.models import Progress as SessionProgress
from sercuescribe_client.session import Session


class ProgressDisplay(Protocol):
    """Show the progress of recordings, one source after the other."""

    interval_seconds: float

    def show_start(self, source: AudioSource, session: Session) -> None: ...

    def show_progress(self, session: Session, sent_bytes: int) -> None: ...

    def show_finishing(self) -> None: ...

    def show_unfinished(self, session: Session) -> None: ...

    def show_completed(self, session: Session, sent_bytes: int) -> None: ...


class ProgressBarDisplay:
    """Show a bar on standard error and print one line per recording on standard output."""

    interval_seconds = 0.1

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task: TaskID | None = None

    def show_start(self, source: AudioSource, session: Session) -> None:
        self._bar.start()
        self._task = self._bar.add_task(source.name, total=source.size_bytes, state="")
        self._bar.console.print(f"{source.name}: session {session.session_id}", highlight=False)

    def show_progress(self, session: Session, sent_bytes: int) -> None:
        if self._task is not None:
            state = _state_text(session)
            self._bar.update(self._task, completed=sent_bytes, state=state)

    def show_finishing(self) -> None:
        self._bar.console.print("finishing the session; press Ctrl-C again to quit at once")

    def show_unfinished(self, session: Session) -> None:
        self._bar.stop()
        _print_unfinished(session)

    def show_completed(self, session: Session, sent_bytes: int) -> None:
        self.show_progress(session, sent_bytes)
        self._bar.stop()  # printed text would break the line of the bar
        duration_seconds = session.progress.duration_seconds
        verified = session.verification.result
        click.echo(f"{session.session_id}  {duration_seconds:.2f} s  {verified}  {session.url}")


class JsonLinesDisplay:
    """Print one JSON object per line on standard output."""

    interval_seconds = 1.0

    def __init__(self) -> None:
        self._started_at, self._source_name = time.monotonic(), ""

    def show_start(self, source: AudioSource, session: Session) -> None:
        self._started_at, self._source_name = time.monotonic(), source.name
        _print_event("session", session, source=self._source_name)

    def show_progress(self, session: Session, sent_bytes: int) -> None:
        _print_event("progress", session, **self._counts(session, sent_bytes))

    def show_finishing(self) -> None:
        pass

    def show_unfinished(self, session: Session) -> None:
        _print_unfinished(session)

    def show_completed(self, session: Session, sent_bytes: int) -> None:
        fields = {
            "source": self._source_name,
            "url": session.url,
            **self._counts(session, sent_bytes),
            "error": str(session.decode_error) if session.decode_error else None,
            "verification": dataclasses.asdict(session.verification),
            "warnings": [dataclasses.asdict(each) for each in session.warnings],
        }
        _print_event("completed", session, **fields)

    def _counts(self, session: Session, sent_bytes: int) -> dict[str, Any]:
        progress = session.progress
        return {
            "bytes": sent_bytes,
            "chunks": progress.chunks,
            "acked": progress.acked,
            "persisted": progress.persisted,
            "duration_seconds": progress.duration_seconds,
            "bytes_per_second": round(sent_bytes / max(time.monotonic() - self._started_at, 1e-3)),
            "connected": progress.is_connected,
        }


@contextlib.contextmanager
def recording_display(*, as_json: bool) -> Iterator[ProgressDisplay]:
    if as_json:
        yield JsonLinesDisplay()
        return
    bar = _progress_bar("{task.fields[state]}")
    try:
        yield ProgressBarDisplay(bar)
    finally:
        bar.stop()


@contextlib.contextmanager
def download_progress_bar(name: str, *, is_shown: bool) -> Iterator[ProgressCallback]:
    with _progress_bar("", is_shown=is_shown) as bar:
        task = bar.add_task(name, total=None)

        def on_progress(size_bytes: int, total_bytes: int | None) -> None:
            bar.update(task, completed=size_bytes, total=total_bytes)

        yield on_progress


def _progress_bar(last_column: str, *, is_shown: bool = True) -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn(last_column, markup=False),
        console=console,
        redirect_stdout=False,  # rich would print it on standard error
        redirect_stderr=False,
        disable=not (is_shown and console.is_terminal),
    )


def _state_text(session: Session) -> str:
    progress: SessionProgress = session.progress
    state = (
        f"{progress.duration_seconds:.1f} s, {progress.acked} acked, {progress.persisted} persisted"
    )
    return state if progress.is_connected else f"{state}; {session.last_error}"


def _print_event(event: str, session: Session, **details: Any) -> None:
    click.echo(json.dumps({"event": event, "session_id": session.session_id, **details}))


def _print_unfinished(session: Session) -> None:
    click.echo(f"sercuescribe: session {session.session_id} is not finished", err=True)
