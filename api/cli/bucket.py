"""``sercuescribe bucket``."""

import asyncio
import sys

import click

from api.app import provision
from api.cli.environment import settings_or_exit
from storage.errors import StorageUnavailableError


@click.group()
def bucket() -> None:
    """Prepare the bucket that the settings name."""


@bucket.command()
@click.option(
    "--origin",
    "origins",
    multiple=True,
    default=["*"],
    show_default=True,
    help="Origin whose pages may fetch recordings; may be given several times.",
)
def init(origins: tuple[str, ...]) -> None:
    """Create the bucket if need be, set its lifecycle rules and CORS; other rules stay."""
    settings = settings_or_exit()
    if settings.storage_backend != "s3":
        sys.exit("sercuescribe: there is no bucket: STORAGE_BACKEND is not s3")

    async def provision_all() -> None:
        async for done in provision(settings, list(origins)):
            click.echo(done)

    try:
        asyncio.run(provision_all())
    except StorageUnavailableError as error:
        sys.exit(f"sercuescribe: {error}")
