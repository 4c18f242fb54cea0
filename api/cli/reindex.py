"""The command ``sercuescribe reindex``."""

import sys

import click

from api.backend import reindex as reindex_storage
from api.cli.environment import settings_or_exit
from storage.errors import StorageUnavailableError


@click.command()
def reindex() -> None:
    """Compare the index of a volume with all manifests, and correct it.

    For recordings that were copied, removed or edited by hand. May run beside the service.
    """
    settings = settings_or_exit()
    if settings.storage_backend != "local":
        sys.exit("sercuescribe: only a volume has this index: set STORAGE_BACKEND=local")
    try:
        changes = reindex_storage(settings)
    except StorageUnavailableError as error:
        sys.exit(f"sercuescribe: {error}")
    click.echo(f"added={changes.added} removed={changes.removed} corrected={changes.corrected}")
