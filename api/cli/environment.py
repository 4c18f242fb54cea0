"""The settings of the environment, for commands."""

import sys

from api.settings import Settings, SettingsError, read_settings


def settings_or_exit(**options: str) -> Settings:
    """Return the settings; if a variable is not valid, print why and exit with 1.

    ``options`` are variables that the command line sets.
    """
    try:
        return read_settings(options=options)
    except SettingsError as error:
        sys.exit(f"sercuescribe: {error}")
