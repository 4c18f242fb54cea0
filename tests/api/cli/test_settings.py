"""The command ``sercuescribe settings``."""

from tests.api.cli.command import run


def test_settings_prints_each_variable_with_its_value_and_meaning() -> None:
    printed = run("settings", MAX_CONCURRENT_SESSIONS="7")
    assert printed.returncode == 0
    assert (
        "MAX_CONCURRENT_SESSIONS=7 (default: 100)\n    Maximum number of active sessions"
        in printed.stdout
    )
    assert "DEFAULT_FORMAT=wav\n" in printed.stdout
