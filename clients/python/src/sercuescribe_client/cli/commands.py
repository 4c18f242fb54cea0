"""The ``sercuescribe`` command with the commands of all installed distributions.

The distributions of the service and of this client both install the script, and register their
commands as entry points of one group. So the script works with either of them or both.
"""

from importlib.metadata import entry_points

import click

ENTRY_POINT_GROUP = "sercuescribe.commands"


class InstalledCommands(click.Group):
    """Load a command only when it is used, so that recording does not import the service."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        installed = {entry.name for entry in entry_points(group=ENTRY_POINT_GROUP)}
        return sorted({*super().list_commands(ctx), *installed})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if command := super().get_command(ctx, cmd_name):
            return command
        for entry in entry_points(group=ENTRY_POINT_GROUP, name=cmd_name):
            loaded: click.Command = entry.load()
            return loaded
        return None


@click.group(cls=InstalledCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sercuescribe-client")
def main() -> None:
    """Record live audio from WebSockets, one WAV per session."""
