"""The ``sercuescribe`` command: the commands of all installed distributions.

This distribution alone installs the script. It and the service's distribution name their commands
as entry points of one group, so the commands of either work without the other.
"""

from importlib.metadata import entry_points

import click

ENTRY_POINT_GROUP = "sercuescribe.commands"


class InstalledCommands(click.Group):
    """Load a command when it is run: recording does not import the service."""

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


def _print_version(ctx: click.Context, _option: click.Parameter, value: bool) -> None:  # noqa: FBT001
    """Print the version of each distribution that has commands: client and service may differ."""
    if not value or ctx.resilient_parsing:
        return
    commands = entry_points(group=ENTRY_POINT_GROUP)
    installed = {entry.dist.name: entry.dist.version for entry in commands if entry.dist}
    for name, version in sorted(installed.items()):
        click.echo(f"{name}, version {version}")
    ctx.exit()


@click.group(cls=InstalledCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show the versions of the installed client and service and exit.",
)
def main() -> None:
    """Record live audio from WebSockets, one WAV per session."""
