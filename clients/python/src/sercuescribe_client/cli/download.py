"""``sercuescribe download``: a recording into a file."""

import asyncio
import json
from pathlib import Path

import click

from sercuescribe_client.cli.exits import MEANINGS, errors_told
from sercuescribe_client.cli.options import Caller, caller_options, patience_option
from sercuescribe_client.cli.screen import download_bar


@click.command(epilog=MEANINGS)
@click.argument("session_id")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write; SESSION_ID.wav if not given.",
)
@caller_options
@patience_option
def download(caller: Caller, session_id: str, output: Path | None, patience_seconds: float) -> None:
    """Download a recording as WAV; goes on where an earlier attempt ended."""
    path = output or Path(f"{session_id}.wav")

    async def run() -> None:
        async with caller.client(patience_seconds=patience_seconds) as client:
            with download_bar(path.name, is_shown=not caller.as_json) as on_bytes:
                await client.download(session_id, path, on_bytes=on_bytes)

    with errors_told(as_json=caller.as_json):
        asyncio.run(run())
        size = path.stat().st_size
        if caller.as_json:
            done = {"session_id": session_id, "path": str(path), "size_bytes": size}
            click.echo(json.dumps({"event": "downloaded", **done}))
        else:
            click.echo(f"{path}  {size} bytes")
