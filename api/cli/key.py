"""``sercuescribe key``."""

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
    help="What it may do; may be given several times.",
)
def key(user: str, scopes: tuple[Scope, ...]) -> None:
    """Make an API key for USER: the key, and the line that the service needs to know it."""
    made = new_key()
    try:
        line = key_line(made, user, scopes)
    except ApiKeysError as error:
        sys.exit(f"sercuescribe: {error}")
    click.echo(f"Key, shown this once:  {made}", err=True)
    click.echo("For API_KEYS, or a line of API_KEYS_FILE:", err=True)
    click.echo(line)
