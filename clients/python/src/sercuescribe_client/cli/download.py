"""``sercuescribe download``: download a recording into a file."""

import asyncio
import json
from pathlib import Path

import click

from sercuescribe_client.cli.exit_codes import EXIT_CODES_HELP, exit_on_error
from sercuescribe_client.cli.options import CommonOptions, common_options, retry_timeout_option
from sercuescribe_client.cli.progress_display import download_progress_bar


@click.command(epilog=EXIT_CODES_HELP)
@click.argument("session_id")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write. Default: SESSION_ID.wav.",
)
@common_options
@retry_timeout_option
def download(
    common: CommonOptions, session_id: str, output: Path | None, retry_timeout_seconds: float
) -> None:
    """Download a recording as WAV, and resume an earlier incomplete download."""
    path = output or Path(f"{session_id}.wav")

    async def run() -> None:
        async with common.client(retry_timeout_seconds=retry_timeout_seconds) as client:
            with download_progress_bar(path.name, is_shown=not common.as_json) as on_progress:
                await client.download(session_id, path, on_progress=on_progress)

    with exit_on_error(as_json=common.as_json):
        asyncio.run(run())
        size = path.stat().st_size
        if common.as_json:
            done = {"session_id": session_id, "path": str(path), "size_bytes": size}
            click.echo(json.dumps({"event": "downloaded", **done}))
        else:
            click.echo(f"{path}  {size} bytes")
