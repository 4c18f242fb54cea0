"""``sercuescribe record``: record files, standard input or the microphone into sessions."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import click

from sercuescribe_client.cli.audio_sources import (
    AudioSource,
    bytes_per_second,
    open_source,
    pace_to_realtime,
)
from sercuescribe_client.cli.exit_codes import (
    EXIT_CODES_HELP,
    FAILED,
    INTERRUPTED,
    OK,
    exit_on_error,
)
from sercuescribe_client.cli.file_type import RAW_FORMATS
from sercuescribe_client.cli.interrupt_handler import InterruptHandler, handle_interrupts
from sercuescribe_client.cli.microphone import open_microphone
from sercuescribe_client.cli.options import (
    CommonOptions,
    common_options,
    metadata_option,
    retry_timeout_option,
)
from sercuescribe_client.cli.progress_display import ProgressDisplay, recording_display
from sercuescribe_client.cli.warning_text import warning_text
from sercuescribe_client.client import Client
from sercuescribe_client.errors import SercueScribeError
from sercuescribe_client.session import Session

# What the service records; a test compares it with the service.
SAMPLE_RATES = (8000, 16000, 22050, 44100, 48000, 96000)
MAX_CHANNELS = 2

_DEFAULT_SAMPLE_RATE = 44100
_DEFAULT_CHANNELS = 1


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

    def chunks(self, source: AudioSource) -> AsyncIterator[bytes]:
        if not self.is_realtime:
            return source.chunks
        per_second = bytes_per_second(
            source,
            self.format or "wav",
            self.sample_rate or _DEFAULT_SAMPLE_RATE,
            self.channels or _DEFAULT_CHANNELS,
        )
        if not per_second:
            raise click.UsageError(
                f"{source.name}: --realtime needs WAV or raw audio; the duration of other formats"
                " is unknown"
            )
        return pace_to_realtime(source.chunks, per_second)


def recordable_rate(sample_rate: int) -> int:
    """Return the lowest rate of recordings that is not below ``sample_rate``, else the highest."""
    return min((rate for rate in SAMPLE_RATES if rate >= sample_rate), default=SAMPLE_RATES[-1])


@click.command(epilog=EXIT_CODES_HELP)
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--mic", is_flag=True, help="Record the microphone until Ctrl-C.")
@click.option("--realtime", is_flag=True, help="Send at the pace of real time.")
@click.option(
    "--sample-rate", type=int, help="Sample rate in Hz of the recording, and of raw PCM input."
)
@click.option("--channels", type=int, help="Channels of the recording, and of raw PCM input.")
@click.option("--format", "format_", help="Format of the input, if it cannot be detected.")
@click.option("--user-id", help="User that the recording belongs to.")
@click.option("--title", help="Title of the recording. Default: the name of the file.")
@metadata_option
@common_options
@retry_timeout_option
def record(
    common: CommonOptions,
    files: tuple[str, ...],
    *,
    mic: bool,
    realtime: bool,
    sample_rate: int | None,
    channels: int | None,
    format_: str | None,
    user_id: str | None,
    title: str | None,
    metadata: dict[str, str],
    retry_timeout_seconds: float,
) -> None:
    """Record FILES, one session each; a hyphen is standard input.

    A file whose first bytes are those of no known format is refused, unless --format names the
    format of raw audio. What could not be recorded is printed as a warning.

    Sample rate and channels of WAV files come from their headers: the next higher rate that the
    service records, and at most two channels. Ctrl-C finishes the session.
    A second Ctrl-C quits at once; the audio sent so far stays in the session.
    """
    if mic == bool(files):
        raise click.UsageError("give either FILES (a hyphen for standard input) or --mic")
    if mic:
        format_ = "pcm_s16le"
        sample_rate = sample_rate or _DEFAULT_SAMPLE_RATE
        channels = channels or _DEFAULT_CHANNELS
    options = RecordOptions(
        sample_rate,
        channels,
        format_,
        user_id,
        title,
        metadata,
        is_realtime=realtime and not mic,
    )

    async def run() -> int:
        async with common.client(retry_timeout_seconds=retry_timeout_seconds) as client:
            with recording_display(as_json=common.as_json) as display:
                return await _record_all(client, files, options, display)

    with exit_on_error(as_json=common.as_json):
        code = asyncio.run(run())
    raise SystemExit(code)


async def _record_all(
    client: Client, files: tuple[str, ...], options: RecordOptions, display: ProgressDisplay
) -> int:
    code = OK
    with handle_interrupts() as interrupts:
        try:
            async for source in _open_sources(files, options):
                session = await _record_one(client, source, options, display, interrupts)
                if interrupts.is_interrupted:
                    return INTERRUPTED
                if not _is_recorded(source, session):
                    code = FAILED
        except asyncio.CancelledError:
            if not interrupts.is_interrupted:
                raise
            return INTERRUPTED
    return code


async def _open_sources(
    files: tuple[str, ...], options: RecordOptions
) -> AsyncIterator[AudioSource]:
    if not files:
        yield open_microphone(
            options.sample_rate or _DEFAULT_SAMPLE_RATE, options.channels or _DEFAULT_CHANNELS
        )
    for name in files:
        source = await open_source(name)
        if name != "-" and options.format in {None, "wav"} and not source.is_recognised:
            await source.chunks.aclose()
            raise SercueScribeError(
                "unrecognised_file",
                f"{source.name}: not recognised as audio; for raw audio, name its format with"
                f" --format {'|'.join(RAW_FORMATS)}",
            )
        yield source


def _is_recorded(source: AudioSource, session: Session) -> bool:
    """Print what could not be recorded; return False if that was everything, or a whole stream."""
    for warning in session.warnings:
        click.echo(f"sercuescribe: {source.name}: warning: {warning_text(warning)}", err=True)
    verification = session.verification
    if verification.reason:
        text = f"{verification.result}: {verification.reason}"
        click.echo(f"sercuescribe: {source.name}: {text}", err=True)
    if verification.result == "differs":
        return False
    if not session.progress.duration_seconds:
        click.echo(f"sercuescribe: {source.name}: nothing was recorded", err=True)
        return False
    return session.decode_error is None


async def _record_one(
    client: Client,
    source: AudioSource,
    options: RecordOptions,
    display: ProgressDisplay,
    interrupts: InterruptHandler,
) -> Session:
    chunks, sent = options.chunks(source), _SentBytes()
    async with (
        contextlib.aclosing(source.chunks),
        client.create(**options.session_parameters(source)) as session,
    ):
        display.show_start(source, session)
        display_task = asyncio.create_task(_show_progress(display, session, sent))
        interrupts.on_finish = display.show_finishing
        try:
            async for chunk in interrupts.chunks_until_interrupt(chunks):
                await session.send(chunk)
                sent.count += len(chunk)
            await session.close()
        except asyncio.CancelledError:
            display.show_unfinished(session)
            raise
        finally:
            display_task.cancel()
            await asyncio.wait([display_task])
            interrupts.on_finish = None
    display.show_completed(session, sent.count)
    return session


@dataclass(slots=True)
class _SentBytes:
    count: int = 0


async def _show_progress(display: ProgressDisplay, session: Session, sent: _SentBytes) -> None:
    while True:
        display.show_progress(session, sent.count)
        await asyncio.sleep(display.interval_seconds)
