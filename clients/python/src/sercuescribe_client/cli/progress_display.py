"""The progress of a recording or download: a progress bar, or JSON lines for programs."""

import contextlib
import dataclasses
import enum
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from sercuescribe_client.cli.audio_sources import AudioSource
from sercuescribe_client.cli.exit_codes import print_error
from sercuescribe_client.download import ProgressCallback
from sercuescribe_client.errors import SercueScribeError, UnreachableError
from sercuescribe_client.models import Progress as SessionProgress
from sercuescribe_client.session import Session


@dataclass(frozen=True, slots=True)
class Failure:
    """A source of which nothing was recorded, or not all, and why."""

    source: str
    code: str
    error: str


class SessionState(enum.Enum):
    """What becomes of the audio that is sent."""

    CONNECTING = "connecting"
    RECORDING = "connected"
    PAUSED = "paused"


def state_of(session: Session) -> SessionState:
    progress = session.progress
    if not progress.is_connected:
        return SessionState.CONNECTING
    return SessionState.PAUSED if progress.is_paused else SessionState.RECORDING


class ProgressDisplay(Protocol):
    """Show the progress of recordings, one source after the other."""

    interval_seconds: float

    def show_state(self, source: AudioSource, session: Session, state: SessionState) -> None: ...

    def show_start(self, source: AudioSource, session: Session) -> None: ...

    def show_progress(self, session: Session, sent_bytes: int) -> None: ...

    def show_finishing(self) -> None: ...

    def show_unfinished(self, session: Session) -> None: ...

    def show_completed(self, session: Session, sent_bytes: int) -> None: ...

    def show_error(self, source: str, error: SercueScribeError) -> None: ...

    def show_source_done(self) -> None: ...

    def show_summary(
        self, recorded: int, failures: Sequence[Failure], skipped: Sequence[str]
    ) -> None: ...


class ProgressBarDisplay:
    """Show one bar for all sources on standard error; print a line for each on standard output."""

    interval_seconds = 0.1

    def __init__(self, bar: Progress, server: str, sizes_bytes: Sequence[int | None]) -> None:
        self._bar = bar
        self._server = server
        self._sizes_bytes = sizes_bytes
        self._number = 0  # of sources that are done
        self._source_name = ""
        self._is_server_named = False
        known = [size for size in sizes_bytes if size is not None]
        total_bytes = sum(known) if len(known) == len(sizes_bytes) and known else None
        self._task = bar.add_task("", total=total_bytes, state="")

    def show_state(self, source: AudioSource, session: Session, state: SessionState) -> None:
        if state is SessionState.PAUSED:
            self._print(f"{source.name}: paused; the service does not record what is sent")
        elif state is SessionState.RECORDING:
            self._print(f"{source.name}: recording")
        else:
            self._show_connecting(source, session)

    def _show_connecting(self, source: AudioSource, session: Session) -> None:
        self._bar.start()  # it shows the attempts that follow
        self._bar.update(self._task, description=source.name)
        error = session.last_error
        if error is None and self._is_server_named:
            return  # the service only answers slowly
        self._is_server_named = True
        cause = f": {error}" if error else ""
        is_answered = error is not None and not isinstance(error, UnreachableError)
        remedy = "" if is_answered else "; --server names another service"
        connecting = f"connecting to {self._server} (attempt {session.attempt})"
        self._print(f"{source.name}: {connecting}{cause}{remedy}")

    def show_start(self, source: AudioSource, session: Session) -> None:
        self._source_name, self._is_server_named = source.name, True
        self._bar.start()
        if len(self._sizes_bytes) > 1:
            count = len(self._sizes_bytes)
            self._bar.update(self._task, description=f"{self._number + 1}/{count} {source.name}")
        else:
            self._bar.update(self._task, description=source.name)
            self._print(f"{source.name}: session {session.session_id}")

    def show_progress(self, session: Session, sent_bytes: int) -> None:
        done_bytes = sum(size or 0 for size in self._sizes_bytes[: self._number])
        self._bar.update(self._task, completed=done_bytes + sent_bytes, state=_state_text(session))

    def show_finishing(self) -> None:
        self._print("finishing the session; press Ctrl-C again to quit at once")

    def show_unfinished(self, session: Session) -> None:
        self._bar.stop()
        _print_unfinished(session)

    def show_completed(self, session: Session, sent_bytes: int) -> None:
        self.show_progress(session, sent_bytes)
        self._bar.stop()  # printed text would break the line of the bar
        fields = (
            session.session_id,
            f"{session.progress.duration_seconds:.2f} s",
            session.verification.result,
            session.url,
            self._source_name,
        )
        click.echo("  ".join(fields))

    def show_error(self, source: str, error: SercueScribeError) -> None:
        self._bar.stop()
        print_error(error, source, as_json=False)

    def show_source_done(self) -> None:
        self._number += 1

    def show_summary(
        self, recorded: int, failures: Sequence[Failure], skipped: Sequence[str]
    ) -> None:
        self._bar.stop()
        count = len(self._sizes_bytes) - len(skipped)
        click.echo(f"sercuescribe: {recorded} of {count} files recorded", err=True)
        for failure in failures:
            click.echo(f"sercuescribe: failed: {failure.source}: {failure.error}", err=True)
        for name in skipped:
            click.echo(f"sercuescribe: left out, no audio: {name}", err=True)

    def _print(self, text: str) -> None:
        self._bar.console.print(text, highlight=False, markup=False, soft_wrap=True)


class JsonLinesDisplay:
    """Print one JSON object per line on standard output."""

    interval_seconds = 1.0

    def __init__(self, server: str, source_count: int) -> None:
        self._server = server
        self._source_count = source_count
        self._started_at, self._source_name = time.monotonic(), ""

    def show_state(self, source: AudioSource, session: Session, state: SessionState) -> None:
        fields = {
            "event": state.value,
            "source": source.name,
            "url": self._server,
            "attempt": session.attempt,
            "error": str(session.last_error) if session.last_error else None,
        }
        click.echo(json.dumps(fields))

    def show_start(self, source: AudioSource, session: Session) -> None:
        self._started_at, self._source_name = time.monotonic(), source.name
        _print_event("session", session, source=self._source_name)

    def show_progress(self, session: Session, sent_bytes: int) -> None:
        if session.is_open:
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

    def show_error(self, source: str, error: SercueScribeError) -> None:
        print_error(error, source, as_json=True)

    def show_source_done(self) -> None:
        pass

    def show_summary(
        self, recorded: int, failures: Sequence[Failure], skipped: Sequence[str]
    ) -> None:
        fields = {
            "event": "summary",
            "files": self._source_count - len(skipped),
            "recorded": recorded,
            "failed": [dataclasses.asdict(each) for each in failures],
            "left_out": list(skipped),
        }
        click.echo(json.dumps(fields))

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
            "paused": progress.is_paused,
        }


@contextlib.contextmanager
def recording_display(
    server: str, sizes_bytes: Sequence[int | None], *, as_json: bool
) -> Iterator[ProgressDisplay]:
    """Yield the display for sources of these sizes, None where a size is not known."""
    if as_json:
        yield JsonLinesDisplay(server, len(sizes_bytes))
        return
    bar = _progress_bar("{task.fields[state]}")
    try:
        yield ProgressBarDisplay(bar, server, sizes_bytes)
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
    if progress.is_connected:
        return f"{state}; paused" if progress.is_paused else state
    return f"{state}; attempt {session.attempt}: {session.last_error or 'connecting'}"


def _print_event(event: str, session: Session, **details: Any) -> None:
    click.echo(json.dumps({"event": event, "session_id": session.session_id, **details}))


def _print_unfinished(session: Session) -> None:
    click.echo(f"sercuescribe: session {session.session_id} is not finished", err=True)
