"""The options that all commands of the client have: server, key and output."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import click

from sercuescribe_client.client import Client
from sercuescribe_client.session import Limits

_AGE = re.compile(r"([0-9]+)([mhd])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


@dataclass(frozen=True, slots=True)
class CommonOptions:
    """The values of the options that every command has."""

    server: str
    key: str | None
    as_json: bool

    def client(self, *, retry_timeout_seconds: float = 60) -> Client:
        limits = Limits(retry_timeout_seconds=retry_timeout_seconds)
        try:
            return Client(self.server, key=self.key, limits=limits)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--server") from error


def common_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --server, --key and --json to a command and pass their values as ``common``."""

    def wrapper(server: str, key: str | None, *, as_json: bool, **options: Any) -> Any:
        return command(common=CommonOptions(server, key, as_json), **options)

    wrapper.__name__, wrapper.__doc__ = command.__name__, command.__doc__
    wrapper.__dict__.update(command.__dict__)  # the command's own options
    for option in reversed(_COMMON_OPTIONS):
        option(wrapper)
    return wrapper


_COMMON_OPTIONS: list[Decorator] = [
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
        help="API key or token. Prefer the variable: process lists show options to other users.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line."),
]


def parse_time(_ctx: click.Context, _option: click.Parameter, value: str | None) -> datetime | None:
    """Return the time in an option: a date or a time in the local zone, or an age such as 7d."""
    if value is None:
        return None
    try:
        if match := _AGE.fullmatch(value):
            return datetime.now(UTC) - int(match[1]) * _UNITS[match[2]]
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{value!r} is neither a date or time nor an age such as 7d"
        ) from None


def parse_lifetime(
    _ctx: click.Context, _option: click.Parameter, value: str | None
) -> timedelta | None:
    """Return the time from now in an option: such as 7d, or until a date or time."""
    if value is None:
        return None
    try:
        if match := _AGE.fullmatch(value):
            lifetime = int(match[1]) * _UNITS[match[2]]
        else:
            lifetime = datetime.fromisoformat(value).astimezone(UTC) - datetime.now(UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{value!r} is neither a time from now such as 7d nor a date or time"
        ) from None
    if lifetime < timedelta(seconds=1):
        raise click.BadParameter(f"{value!r} is not in the future")
    return lifetime


def parse_expiry(
    ctx: click.Context, option: click.Parameter, value: str | None
) -> datetime | Literal["never"] | None:
    """Return the time in an option, as `parse_time` does, but 7d is in seven days; or "never"."""
    if value == "never":
        return "never"
    if value is not None and (match := _AGE.fullmatch(value)):
        try:
            return datetime.now(UTC) + int(match[1]) * _UNITS[match[2]]
        except OverflowError:
            raise click.BadParameter(f"{value!r} is too far in the future") from None
    return parse_time(ctx, option, value)


def _parse_metadata(
    _ctx: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    if not all(key and is_given for key, is_given, _ in pairs):
        raise click.BadParameter("expected KEY=VALUE")
    return {key: value for key, _, value in pairs}


metadata_option = click.option(
    "--meta",
    "metadata",
    multiple=True,
    callback=_parse_metadata,
    metavar="KEY=VALUE",
    help="Metadata of the recording; can be repeated.",
)


retry_timeout_option = click.option(
    "--retry-timeout",
    "retry_timeout_seconds",
    type=click.FloatRange(min=0),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="Stop retrying after the service has not answered for this time.",
)
