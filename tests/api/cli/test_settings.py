"""The command ``sercuescribe settings``."""

import pytest

from tests.api.cli.command import run

pytestmark = pytest.mark.engine


def test_settings_prints_each_variable_with_its_value_and_meaning() -> None:
    printed = run("settings", MAX_CONCURRENT_SESSIONS="7")
    assert printed.returncode == 0
    assert (
        "MAX_CONCURRENT_SESSIONS=7 (default: 100)\n    Maximum number of active sessions"
        in printed.stdout
    )
    assert "DEFAULT_FORMAT=wav\n" in printed.stdout
    values = dict(zip(printed.stdout.splitlines(), printed.stdout.splitlines()[2:], strict=False))
    assert values["LOG_LEVEL=info"] == "    One of: debug, info, warning, error"
    assert values["AUTH_MODE="] == "    One of: (empty), none, api_key, jwt"
