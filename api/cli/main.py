"""The ``sercuescribe`` command: combines the commands of all installed distributions.

The service and the Python client are two distributions. Both install a script of this name, and
their commands as entry points of one group. So each works alone, and in any order of installation.
"""

from importlib.metadata import entry_points

import click

from api import __version__

GROUP = "sercuescribe.commands"


class InstalledCommands(click.Group):
    """The commands of all installed distributions; a command is imported when it runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        installed = {entry.name for entry in entry_points(group=GROUP)}
        return sorted({*super().list_commands(ctx), *installed})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if command := super().get_command(ctx, cmd_name):
            return command
        for entry in entry_points(group=GROUP, name=cmd_name):
            loaded: click.Command = entry.load()
            return loaded
        return None


@click.group(cls=InstalledCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Record live audio from WebSockets, one WAV per session."""
