"""``sercuescribe download``: download recordings into files or to standard output."""

import contextlib
import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import click

from sercuescribe_client.cli.exit_codes import EXIT_CODES_HELP, FAILED, exit_on_error, print_error
from sercuescribe_client.cli.interrupt_handler import run_until_interrupted
from sercuescribe_client.cli.options import CommonOptions, common_options, retry_timeout_option
from sercuescribe_client.cli.progress_display import download_progress_bar
from sercuescribe_client.cli.standard_output import write_output
from sercuescribe_client.client import Client
from sercuescribe_client.download import AudioFormat, ProgressCallback
from sercuescribe_client.errors import SercueScribeError

_STDOUT = "-"


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a recording to download, in which format; times are in seconds."""

    format: AudioFormat | None
    start: float | None
    end: float | None

    def arguments(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@click.command(epilog=EXIT_CODES_HELP)
@click.argument("session_ids", nargs=-1, metavar="ID...")
@click.option("--all", "is_all", is_flag=True, help="All completed recordings.")
@click.option(
    "-o",
    "--output",
    default=".",
    show_default="the working directory",
    metavar="FILE|DIR|-",
    help="File, folder, or standard output. In a folder, the id is the name of a file.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(get_args(AudioFormat)),
    help="Format to convert to. Default: the WAV as it is.",
)
@click.option("--start", type=click.FloatRange(min=0), metavar="SECONDS", help="Start of a part.")
@click.option("--end", type=click.FloatRange(min=0), metavar="SECONDS", help="End of a part.")
@common_options
@retry_timeout_option
def download(
    common: CommonOptions,
    session_ids: tuple[str, ...],
    *,
    is_all: bool,
    output: str,
    format_: AudioFormat | None,
    start: float | None,
    end: float | None,
    retry_timeout_seconds: float,
) -> None:
    """Download recordings, and resume earlier incomplete downloads of WAV files.

    With --all, files that exist already in the folder are left as they are. A recording that fails
    does not stop the others.
    """
    if is_all == bool(session_ids):
        raise click.UsageError("give either the IDs of sessions or --all")
    is_folder = Path(output).is_dir()
    if not is_folder and output.endswith("/"):
        raise click.UsageError(f"{output}: no such folder")
    if not is_folder and (is_all or len(session_ids) > 1):
        raise click.UsageError("for more than one recording, -o must be a folder")
    part = Part(format_, start, end)

    async def run() -> int:
        async with common.client(retry_timeout_seconds=retry_timeout_seconds) as client:
            if is_all:
                return await _download_all(common, client, Path(output), part)
            if len(session_ids) == 1:
                await _download_one(common, client, session_ids[0], output, part)
                return 0
            return await _download_each(common, client, session_ids, output, part)

    with exit_on_error(as_json=common.as_json):
        failed = run_until_interrupted(run())
    if failed:
        raise SystemExit(FAILED)


async def _download_all(common: CommonOptions, client: Client, folder: Path, part: Part) -> int:
    failed = 0
    async for info in client.list(status="completed"):
        if not (folder / f"{info.session_id}.{part.format or 'wav'}").exists():
            ids = (info.session_id,)
            failed += await _download_each(common, client, ids, str(folder), part)
    return failed


async def _download_each(
    common: CommonOptions, client: Client, session_ids: tuple[str, ...], output: str, part: Part
) -> int:
    """Download the recordings, print the errors, and return their number."""
    failed = 0
    for session_id in session_ids:
        try:
            await _download_one(common, client, session_id, output, part)
        except SercueScribeError as error:
            print_error(error, session_id, as_json=common.as_json)
            failed += 1
    return failed


async def _download_one(
    common: CommonOptions, client: Client, session_id: str, output: str, part: Part
) -> None:
    with download_progress_bar(session_id, is_shown=not common.as_json) as on_progress:
        if output == _STDOUT:
            await _write_to_stdout(client, session_id, part, on_progress)
            return
        path = await client.download(
            session_id, output, on_progress=on_progress, **part.arguments()
        )
    size_bytes = path.stat().st_size
    if common.as_json:
        done = {"session_id": session_id, "path": str(path), "size_bytes": size_bytes}
        click.echo(json.dumps({"event": "downloaded", **done}))
    else:
        click.echo(f"{path}  {size_bytes} bytes")


async def _write_to_stdout(
    client: Client, session_id: str, part: Part, on_progress: ProgressCallback
) -> None:
    pieces = client.stream(session_id, on_progress=on_progress, **part.arguments())
    async with contextlib.aclosing(pieces):
        async for data in pieces:
            await write_output(data)
