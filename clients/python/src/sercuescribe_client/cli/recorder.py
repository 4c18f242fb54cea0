"""Record one source after another, each into a session of its own; one failure stops no other."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import click

from sercuescribe_client.cli.audio_sources import (
    AudioSource,
    NotAudioError,
    bytes_per_second,
    open_source,
)
from sercuescribe_client.cli.exit_codes import (
    FAILED,
    INTERRUPTED,
    NOT_ALLOWED,
    OK,
    UNREACHABLE,
    exit_code,
)
from sercuescribe_client.cli.file_type import RAW_FORMATS
from sercuescribe_client.cli.interrupt_handler import InterruptHandler, handle_interrupts
from sercuescribe_client.cli.microphone import open_microphone
from sercuescribe_client.cli.pacing import pace_by_bytes, pace_by_progress
from sercuescribe_client.cli.paths import STDIN, AudioPath
from sercuescribe_client.cli.progress_display import (
    Failure,
    ProgressDisplay,
    SessionState,
    state_of,
)
from sercuescribe_client.cli.warning_text import warning_text
from sercuescribe_client.client import Client
from sercuescribe_client.errors import SercueScribeError
from sercuescribe_client.session import Session

# What the service records; a test compares it with the service.
SAMPLE_RATES = (8000, 16000, 22050, 44100, 48000, 96000)
MAX_CHANNELS = 2

DEFAULT_SAMPLE_RATE = 44100
DEFAULT_CHANNELS = 1


@dataclass(frozen=True, slots=True)
class RecordOptions:
    """The options of the new sessions; the header of a WAV gives missing values."""

    sample_rate: int | None
    channels: int | None
    format: str | None
    user_id: str | None
    title: str | None
    metadata: dict[str, str]
    is_realtime: bool

    def session_parameters(self, source: AudioSource) -> dict[str, Any]:
        wav = source.wav
        return {
            "sample_rate": self.sample_rate or (recordable_rate(wav.sample_rate) if wav else None),
            "channels": self.channels or (min(wav.channels, MAX_CHANNELS) if wav else None),
            "format": self.format,
            "user_id": self.user_id,
            "title": self.title or source.title,
            "metadata": self.metadata,
        }

    def chunks(self, source: AudioSource, session: Session) -> AsyncIterator[bytes]:
        """Return the chunks of the source, at the pace that was asked for."""
        if not self.is_realtime:
            return source.chunks
        per_second = bytes_per_second(
            source,
            self.format or ("" if source.is_recognised else "wav"),
            self.sample_rate or DEFAULT_SAMPLE_RATE,
            self.channels or DEFAULT_CHANNELS,
        )
        if per_second:
            return pace_by_bytes(source.chunks, per_second)
        return pace_by_progress(source.chunks, lambda: session.progress.duration_seconds)


def recordable_rate(sample_rate: int) -> int:
    """Return the lowest rate of recordings that is not below ``sample_rate``, else the highest."""
    return min((rate for rate in SAMPLE_RATES if rate >= sample_rate), default=SAMPLE_RATES[-1])


class Recorder:
    """Record sources with the same options, and show what becomes of them."""

    def __init__(self, client: Client, options: RecordOptions, display: ProgressDisplay) -> None:
        self._client = client
        self._options = options
        self._display = display
        self._recorded_count = 0
        self._failures: list[Failure] = []
        self._skipped: list[str] = []

    async def record_all(self, paths: Sequence[AudioPath]) -> int:
        """Record the paths in order, or the microphone if there are none; return the exit code."""
        with handle_interrupts() as interrupts:
            try:
                code = await self._record_paths(paths, interrupts)
            except asyncio.CancelledError:
                if not interrupts.is_interrupted:
                    raise
                code = INTERRUPTED
        if len(paths) > 1:
            self._display.show_summary(self._recorded_count, self._failures, self._skipped)
        return code

    async def _record_paths(self, paths: Sequence[AudioPath], interrupts: InterruptHandler) -> int:
        if not paths:
            rate, channels = self._options.sample_rate, self._options.channels
            microphone = open_microphone(rate or DEFAULT_SAMPLE_RATE, channels or DEFAULT_CHANNELS)
            await self._record_source(microphone.name, microphone, interrupts)
        for path in paths:
            try:
                source = await self._open(path)
                await self._record_source(path.name, source, interrupts)
            except NotAudioError as error:
                if path.is_expected:
                    self._fail(path.name, SercueScribeError("not_audio", str(error)))
                else:
                    self._skipped.append(path.name)
            except SercueScribeError as error:
                self._fail(path.name, error)
                # The next files would meet the same: a service away, a key that is not valid.
                if (code := exit_code(error)) in {UNREACHABLE, NOT_ALLOWED}:
                    return code
            except OSError as error:
                self._fail(path.name, SercueScribeError("io_error", error.strerror or str(error)))
            self._display.show_source_done()
            if interrupts.is_interrupted:
                break
        if interrupts.is_interrupted:
            return INTERRUPTED
        return FAILED if self._failures else OK

    async def _open(self, path: AudioPath) -> AudioSource:
        source = await open_source(path.name)
        needs_type = path.name != STDIN and self._options.format in {None, "wav"}
        if needs_type and not source.is_recognised:
            await source.chunks.aclose()
            raise NotAudioError(
                "not recognised as audio; for raw audio, name its format with"
                f" --format {'|'.join(RAW_FORMATS)}",
            )
        return source

    async def _record_source(
        self, name: str, source: AudioSource, interrupts: InterruptHandler
    ) -> None:
        async with contextlib.aclosing(source.chunks):
            session = await self._send(source, interrupts)
        if reason := _failure_reason(source, session):
            self._failures.append(Failure(name, "not_recorded", reason))
        else:
            self._recorded_count += 1

    async def _send(self, source: AudioSource, interrupts: InterruptHandler) -> Session:
        session = self._client.create(**self._options.session_parameters(source))
        sent = _SentBytes()
        watching = asyncio.create_task(_watch(self._display, source, session, sent))
        try:
            async with session:
                self._display.show_start(source, session)
                interrupts.on_finish = self._display.show_finishing
                chunks = self._options.chunks(source, session)
                try:
                    async for chunk in interrupts.chunks_until_interrupt(chunks):
                        await session.send(chunk)
                        sent.count += len(chunk)
                    await session.close()
                except asyncio.CancelledError:
                    self._display.show_unfinished(session)
                    raise
        finally:
            watching.cancel()
            await asyncio.wait([watching])
            interrupts.on_finish = None
        self._display.show_completed(session, sent.count)
        return session

    def _fail(self, name: str, error: SercueScribeError) -> None:
        self._failures.append(Failure(name, error.code, str(error)))
        self._display.show_error(name, error)


def _failure_reason(source: AudioSource, session: Session) -> str | None:
    """Print what could not be recorded; return why if that was everything, or a whole stream."""
    for warning in session.warnings:
        click.echo(f"sercuescribe: {source.name}: warning: {warning_text(warning)}", err=True)
    verification = session.verification
    if verification.reason:
        text = f"{verification.result}: {verification.reason}"
        click.echo(f"sercuescribe: {source.name}: {text}", err=True)
    if verification.result == "differs":
        return verification.reason
    if not session.progress.duration_seconds:
        click.echo(f"sercuescribe: {source.name}: nothing was recorded", err=True)
        return "nothing was recorded"
    return str(session.decode_error) if session.decode_error else None


@dataclass(slots=True)
class _SentBytes:
    count: int = 0


_WATCH_SECONDS = 0.1


async def _watch(
    display: ProgressDisplay, source: AudioSource, session: Session, sent: _SentBytes
) -> None:
    """Show the progress, and each change of the state that lasts longer than a moment."""
    loop, shown_at, was_open = asyncio.get_running_loop(), 0.0, False
    shown: tuple[SessionState, str | None] = (SessionState.RECORDING, None)
    while True:
        await asyncio.sleep(_WATCH_SECONDS)
        state = state_of(session)
        error = session.last_error if state is SessionState.CONNECTING else None
        change = (state, error.code if error else None)
        is_start = session.is_open and not was_open and state is SessionState.RECORDING
        was_open = session.is_open
        if change != shown and not is_start:  # `show_start` has said that it records
            display.show_state(source, session, state)
        shown = change
        if loop.time() - shown_at >= display.interval_seconds:
            shown_at = loop.time()
            display.show_progress(session, sent.count)
