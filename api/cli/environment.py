"""The settings of this process's environment, or an error for the operator."""

import sys

from api.settings import Settings, SettingsError, read_settings


def settings_or_exit() -> Settings:
    """Return the settings; end the process with a line that says which variable is wrong."""
    try:
        return read_settings()
    except SettingsError as error:
        sys.exit(f"sercuescribe: {error}")
