"""What all commands of the client have in common: where the service is and who calls."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from sercuescribe_client.client import Client
from sercuescribe_client.session import Limits

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


@dataclass(frozen=True, slots=True)
class Caller:
    """The options that every command has."""

    server: str
    key: str | None
    as_json: bool

    def client(self, *, patience_seconds: float = 60) -> Client:
        limits = Limits(patience_seconds=patience_seconds)
        try:
            return Client(self.server, key=self.key, limits=limits)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--server") from error


def caller_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --server, --key and --json, and hand them over as ``caller``."""

    def called(server: str, key: str | None, *, as_json: bool, **options: Any) -> Any:
        return command(caller=Caller(server, key, as_json), **options)

    called.__name__, called.__doc__ = command.__name__, command.__doc__
    called.__dict__.update(command.__dict__)  # the options that are there already
    for option in reversed(_OPTIONS):
        option(called)
    return called


_OPTIONS: list[Decorator] = [
    click.option(
        "--server",
        envvar="SERCUESCRIBE_SERVER",
        default="http://127.0.0.1:8000",
        show_default=True,
        show_envvar=True,
        metavar="URL",
        help="Address of the service.",
    ),
    click.option(
        "--key",
        envvar="SERCUESCRIBE_KEY",
        show_envvar=True,
        help="API key or token. As an option it shows in the list of processes.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line."),
]


patience_option = click.option(
    "--patience",
    "patience_seconds",
    type=click.FloatRange(min=0),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="Give up when the service has not answered for this long.",
)
