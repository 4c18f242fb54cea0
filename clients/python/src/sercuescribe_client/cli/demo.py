"""``sercuescribe demo``: record a file over a lost connection and a killed service, and compare."""

import asyncio
import contextlib
import importlib.util
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import click

from sercuescribe_client.cli.cutting_relay import CuttingRelay
from sercuescribe_client.cli.exit_codes import FAILED, exit_on_error
from sercuescribe_client.cli.interrupt_handler import run_until_interrupted
from sercuescribe_client.client import Client
from sercuescribe_client.errors import SercueScribeError
from sercuescribe_client.session import Session

SPEECH = Path(__file__).with_name("speech.wav")
SAMPLE_RATE = 22050
_WAV_HEADER_BYTES = 44  # of the speech
_RECORDING_HEADER_BYTES = 80

_CHUNK_BYTES = 4096
_CUT_AT, _KILL_AT = 0.33, 0.66  # of the file
_START_SECONDS = 30
_INHERITED = frozenset({"HOME", "LANG", "PATH", "PYTHONPATH", "TMPDIR"})


@click.command()
@click.option(
    "--pause",
    "pause_seconds",
    type=click.FloatRange(min=0),
    default=0.05,
    show_default=True,
    metavar="SECONDS",
    help="Pause after each chunk, so that the output can be followed.",
)
def demo(pause_seconds: float) -> None:
    """Show that a recording is exact, on a service that the command starts and kills.

    Records a speech file into a service on a temporary folder, drops the connection once, kills the
    service with kill -9 once, and compares the recording with the file. Nothing is left behind.
    """
    if importlib.util.find_spec("api") is None:
        raise click.UsageError("the demo starts the service: install the package sercuescribe")
    with exit_on_error(as_json=False):
        is_equal = run_until_interrupted(_run(pause_seconds))
    if not is_equal:
        raise SystemExit(FAILED)


async def _run(pause_seconds: float) -> bool:
    with tempfile.TemporaryDirectory(prefix="sercuescribe-demo-") as folder:
        async with _running_service(Path(folder)) as service, _relay(service.port) as relay:
            return await _record_and_compare(service, relay, Path(folder), pause_seconds)


async def _record_and_compare(
    service: "_Service", relay: CuttingRelay, folder: Path, pause_seconds: float
) -> bool:
    audio = SPEECH.read_bytes()
    size_bytes = len(audio)
    click.echo(f"service      http://127.0.0.1:{service.port}, recordings in {folder}")
    click.echo(f"file         {SPEECH.name}, {size_bytes} bytes, {_seconds(audio):.2f} s of speech")
    async with Client(relay.url) as client:
        async with client.create(sample_rate=SAMPLE_RATE) as session:
            click.echo(f"session      {session.session_id}")
            faults = {_KILL_AT: service.kill_and_restart, _CUT_AT: relay.cut}
            for start in range(0, size_bytes, _CHUNK_BYTES):
                await session.send(audio[start : start + _CHUNK_BYTES])
                await asyncio.sleep(pause_seconds)
                for share in [share for share in faults if start > share * size_bytes]:
                    await _wait_until_acknowledged(session)
                    _print_fault(session, is_kill=share == _KILL_AT)
                    await faults.pop(share)()
        path = await client.download(session.session_id, folder)
    recorded, expected = path.read_bytes()[_RECORDING_HEADER_BYTES:], audio[_WAV_HEADER_BYTES:]
    click.echo(f"recording    {path.stat().st_size} bytes, {len(recorded) // 2} samples")
    click.echo(f"receipt      {session.verification.result}")
    if recorded != expected:
        click.echo("result       the recording DIFFERS from the file")
        return False
    click.echo("result       every sample of the file is in the recording, once and in order")
    return True


async def _wait_until_acknowledged(session: Session) -> None:
    async for progress in session:
        if progress.acked:
            return


def _print_fault(session: Session, *, is_kill: bool) -> None:
    text = "kill -9 of the service, and a new start" if is_kill else "the connection is dropped"
    progress = session.progress
    counts = f"{progress.chunks} chunks sent, {progress.acked} acknowledged"
    click.echo(f"fault        {text}; {counts}")


def _seconds(audio: bytes) -> float:
    return (len(audio) - _WAV_HEADER_BYTES) / 2 / SAMPLE_RATE


class _Service:
    """The service as a process on a free port of loopback."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        command = [sys.executable, "-m", "sercuescribe_client", "serve", "--port", str(self.port)]
        # Without the caller's settings, which may be those of another service.
        inherited = os.environ.items()  # noqa: TID251 - passed on
        environ = {name: value for name, value in inherited if name in _INHERITED}
        self._process = await asyncio.create_subprocess_exec(
            *command,
            cwd=self._folder,
            env={**environ, "AUDIO_STORAGE_PATH": str(self._folder), "HOST": "127.0.0.1"},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        self._log = asyncio.create_task(self._read_log(self._process))
        try:
            async with asyncio.timeout(_START_SECONDS):
                while not await self._answers():
                    if self._process.returncode is not None:
                        lines = await self._log
                        text = lines[-1] if lines else "no output"
                        raise SercueScribeError("no_service", f"the service did not start: {text}")
                    await asyncio.sleep(0.05)
        except TimeoutError:
            text = f"the service did not answer within {_START_SECONDS} seconds"
            raise SercueScribeError("no_service", text) from None

    async def kill_and_restart(self) -> None:
        await self.end(signal.SIGKILL)
        await self.start()

    async def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
            await self._process.wait()
            await self._log

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True

    async def _read_log(self, process: asyncio.subprocess.Process) -> list[str]:
        """Return the last lines of the log. A pipe that is not read would block the service."""
        assert process.stderr is not None
        lines: list[str] = []
        async for line in process.stderr:
            lines = [*lines[-9:], line.decode(errors="replace").strip()]
        return lines


@contextlib.asynccontextmanager
async def _running_service(folder: Path) -> AsyncIterator[_Service]:
    service = _Service(folder)
    try:
        await service.start()
        yield service
    finally:
        await service.end()


@contextlib.asynccontextmanager
async def _relay(port: int) -> AsyncIterator[CuttingRelay]:
    relay = CuttingRelay(port)
    await relay.start()
    try:
        yield relay
    finally:
        await relay.close()
