"""The command ``sercuescribe doctor``."""

import sys

import click

from api.backend import examine
from api.cli.environment import settings_or_exit
from api.cli.interruption import run_until_interrupted
from api.settings import Settings
from storage.errors import StorageUnavailableError

_COLORS = {"pass": "green", "note": "yellow", "fail": "red"}


@click.command()
@click.option(
    "--origin",
    default="https://page.example",
    show_default=True,
    help="Origin of a page that fetches recordings.",
)
def doctor(origin: str) -> None:
    """Check ffmpeg and the storage, and print what to do about each failed check."""
    try:
        is_fit = run_until_interrupted(
            _examine_all(settings_or_exit(), origin), hint="not everything was checked"
        )
    except StorageUnavailableError as error:
        sys.exit(f"sercuescribe: {error}")
    if not is_fit:
        sys.exit(1)


async def _examine_all(settings: Settings, origin: str) -> bool:
    is_fit = True
    async for finding in examine(settings, origin):
        is_fit &= finding.outcome != "fail"
        word = click.style(finding.outcome, fg=_COLORS[finding.outcome])
        click.echo(f"{word}  {finding.check:<27}  {finding.detail}")
        if finding.advice:
            click.echo(f"      {finding.advice}")
    return is_fit
