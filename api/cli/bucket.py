"""The command ``sercuescribe bucket``."""

import sys

import click

from api.backend import provision
from api.cli.environment import settings_or_exit
from api.cli.interruption import run_until_interrupted
from storage.errors import StorageUnavailableError


@click.group()
def bucket() -> None:
    """Prepare the bucket S3_BUCKET."""


@bucket.command()
@click.option(
    "--origin",
    "origins",
    multiple=True,
    default=["*"],
    show_default=True,
    help="Origin of pages that may fetch recordings; can be repeated.",
)
@click.option(
    "--version-days",
    type=click.IntRange(min=1),
    help="In a bucket with versioning: days after which versions of deleted objects expire.",
)
def init(origins: tuple[str, ...], version_days: int | None) -> None:
    """Create the bucket if it is missing, and set its lifecycle rules and CORS.

    Keeps other rules. Can be run again.
    """
    settings = settings_or_exit()
    if settings.storage_backend != "s3":
        sys.exit("sercuescribe: no bucket is configured: set STORAGE_BACKEND=s3 and S3_BUCKET")

    async def provision_all() -> None:
        async for done in provision(settings, list(origins), version_days):
            click.echo(done)

    try:
        run_until_interrupted(provision_all(), hint="run the command again for the rest")
    except StorageUnavailableError as error:
        sys.exit(f"sercuescribe: {error}")
