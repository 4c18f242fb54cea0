"""A file with the variables of a storage that is not the one of the environment."""

import sys
from collections.abc import Mapping
from pathlib import Path

import click

from api.backend import AwsKeys
from api.settings import Settings, SettingsError, is_setting, read_settings

_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def read_or_exit(path: Path) -> tuple[Settings, AwsKeys | None]:
    """Return the settings in the file, and the keys of its bucket if it has some.

    What the file leaves out has its default: nothing comes from the environment. If the file is
    not valid, print why and exit with 1.
    """
    try:
        variables = parse(path.read_text())
        return read_settings(variables), _keys(variables)
    except (OSError, ValueError, SettingsError) as error:
        sys.exit(f"sercuescribe: {click.format_filename(path)}: {error}")


def parse(text: str) -> dict[str, str]:
    """Return the variables in lines of the form ``NAME=value``, with comments after ``#``.

    A value may have quotation marks around it. Raises ``ValueError`` for any other line, and for
    a name that is no setting, so that no typing error selects a default.
    """
    variables = {}
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        name, equals, value = stripped.removeprefix("export ").partition("=")
        name, value = name.strip(), value.strip()
        if not equals:
            raise ValueError(f"line {number} is not NAME=value")
        if name not in _KEYS and not is_setting(name):
            raise ValueError(
                f"line {number}: {name} is no setting; expected one of `sercuescribe settings`, "
                f"or {', '.join(_KEYS)}"
            )
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        variables[name] = value
    return variables


def _keys(variables: Mapping[str, str]) -> AwsKeys | None:
    access_key, secret_key, token = (variables.get(name, "") for name in _KEYS)
    if not access_key and not secret_key:
        return None
    if not access_key or not secret_key:
        raise ValueError(f"{_KEYS[0]} and {_KEYS[1]} belong together: one is missing")
    return AwsKeys(access_key, secret_key, token or None)
