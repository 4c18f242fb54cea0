"""The command ``sercuescribe settings``."""

import click

from api.cli.environment import settings_or_exit
from api.settings import describe


@click.command()
def settings() -> None:
    """Print every setting: variable, current value, meaning."""
    for setting in describe(settings_or_exit()):
        changed = "" if setting.value == setting.default else f" (default: {setting.default})"
        click.echo(f"{setting.variable}={setting.value}{changed}")
        click.echo(f"    {setting.meaning}")
        if setting.choices:
            click.echo(f"    One of: {', '.join(setting.choices)}")
