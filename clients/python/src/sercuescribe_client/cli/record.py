"""``sercuescribe record``: files, standard input or the microphone into sessions."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import click

from sercuescribe_client.cli.exits import FAILED, INTERRUPTED, MEANINGS, OK, errors_told
from sercuescribe_client.cli.interrupts import Interrupt, interruptible
from sercuescribe_client.cli.microphone import open_microphone
from sercuescribe_client.cli.options import Caller, caller_options, patience_option
from sercuescribe_client.cli.screen import Screen, recording_screen
from sercuescribe_client.cli.sources import Source, bytes_per_second, open_source, paced
from sercuescribe_client.client import Client
from sercuescribe_client.session import Session

_DEFAULT_SAMPLE_RATE = 44100
_DEFAULT_CHANNELS = 1


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the options say of the sessions to make. A WAV's header answers what they leave open."""

    sample_rate: int | None
    channels: int | None
    format: str | None
    user_id: str | None
    is_realtime: bool

    def parameters(self, source: Source) -> dict[str, Any]:
        wav = source.wav
        return {
            "sample_rate": self.sample_rate or (wav.sample_rate if wav else None),
            "channels": self.channels or (wav.channels if wav else None),
            "format": self.format,
            "user_id": self.user_id,
        }

    def chunks(self, source: Source) -> AsyncIterator[bytes]:
        if not self.is_realtime:
            return source.chunks
        per_second = bytes_per_second(
            source,
            self.format or "wav",
            self.sample_rate or _DEFAULT_SAMPLE_RATE,
            self.channels or _DEFAULT_CHANNELS,
        )
        if not per_second:
            raise click.UsageError(f"{source.name}: its bytes do not tell how long they last")
        return paced(source.chunks, per_second)


@click.command(epilog=MEANINGS)
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--mic", is_flag=True, help="Record the microphone until Ctrl-C.")
@click.option("--realtime", is_flag=True, help="Send as fast as it would be heard, not faster.")
@click.option("--sample-rate", type=int, help="Of the recording, and of input that is raw PCM.")
@click.option("--channels", type=int, help="Of the recording, and of input that is raw PCM.")
@click.option("--format", "format_", help="What the input is, where its bytes do not tell.")
@click.option("--user-id", help="Whose the recording is.")
@caller_options
@patience_option
def record(
    caller: Caller,
    files: tuple[str, ...],
    *,
    mic: bool,
    realtime: bool,
    sample_rate: int | None,
    channels: int | None,
    format_: str | None,
    user_id: str | None,
    patience_seconds: float,
) -> None:
    """Record FILES, one session each; a hyphen is standard input.

    WAV files say themselves which rate and how many channels they have. Ctrl-C finishes the
    session; a second one ends at once, and what was sent stays in the session.
    """
    if mic == bool(files):
        raise click.UsageError("name files, or a hyphen for standard input, or --mic")
    if mic:
        format_ = "pcm_s16le"
        sample_rate = sample_rate or _DEFAULT_SAMPLE_RATE
        channels = channels or _DEFAULT_CHANNELS
    wishes = Wishes(sample_rate, channels, format_, user_id, is_realtime=realtime and not mic)

    async def run() -> int:
        async with caller.client(patience_seconds=patience_seconds) as client:
            with recording_screen(as_json=caller.as_json) as screen:
                return await _record_all(client, files, wishes, screen)

    with errors_told(as_json=caller.as_json):
        code = asyncio.run(run())
    raise SystemExit(code)


async def _record_all(
    client: Client, files: tuple[str, ...], wishes: Wishes, screen: Screen
) -> int:
    code = OK
    with interruptible() as interrupt:
        try:
            async for source in _sources(files, wishes):
                session = await _record_one(client, source, wishes, screen, interrupt)
                if interrupt.has_come:
                    return INTERRUPTED
                if session.decode_error:
                    click.echo(f"sercuescribe: {source.name}: {session.decode_error}", err=True)
                    code = FAILED
        except asyncio.CancelledError:
            if not interrupt.has_come:
                raise
            return INTERRUPTED
    return code


async def _sources(files: tuple[str, ...], wishes: Wishes) -> AsyncIterator[Source]:
    if not files:
        yield open_microphone(
            wishes.sample_rate or _DEFAULT_SAMPLE_RATE, wishes.channels or _DEFAULT_CHANNELS
        )
    for name in files:
        yield await open_source(name)


async def _record_one(
    client: Client, source: Source, wishes: Wishes, screen: Screen, interrupt: Interrupt
) -> Session:
    chunks, sent = wishes.chunks(source), _Count()
    async with (
        contextlib.aclosing(source.chunks),
        client.create(**wishes.parameters(source)) as session,
    ):
        screen.begin(source, session)
        watching = asyncio.create_task(_watch(screen, session, sent))
        interrupt.on_finish = screen.finishing
        try:
            async for chunk in interrupt.until(chunks):
                await session.send(chunk)
                sent.bytes += len(chunk)
            await session.close()
        except asyncio.CancelledError:
            screen.left_unfinished(session)
            raise
        finally:
            watching.cancel()
            await asyncio.wait([watching])
            interrupt.on_finish = None
    screen.end(session, sent.bytes)
    return session


@dataclass(slots=True)
class _Count:
    bytes: int = 0


async def _watch(screen: Screen, session: Session, sent: _Count) -> None:
    while True:
        screen.show(session, sent.bytes)
        await asyncio.sleep(screen.interval_seconds)
