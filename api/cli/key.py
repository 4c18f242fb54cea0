"""The command ``sercuescribe key``."""

import sys

import click

from api.access.api_keys import ApiKeysError, key_line, new_key
from api.access.identity import SCOPES, Scope


@click.command()
@click.argument("user")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    default=["record", "read"],
    show_default=True,
    help="Scope of the key; can be repeated. With ingest alone, the key is a token that telephone "
    "platforms may show in URLs and messages: it can create sessions of calls, and nothing else.",
)
def key(user: str, scopes: tuple[Scope, ...]) -> None:
    """Create an API key for USER; print the key, and the line for API_KEYS or API_KEYS_FILE."""
    created = new_key(scopes)
    try:
        line = key_line(created, user, scopes)
    except ApiKeysError as error:
        sys.exit(f"sercuescribe: {error}")
    click.echo(f"Key (shown only once): {created}", err=True)
    click.echo("Line for API_KEYS or API_KEYS_FILE:", err=True)
    click.echo(line)
