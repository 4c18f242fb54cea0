"""Every command refuses settings that are not valid."""

import pytest

from tests.api.cli.command import run

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("command", ["settings", "serve"])
def test_an_invalid_setting_ends_the_command_with_a_message(command: str) -> None:
    refused = run(command, DEFAULT_CHANNELS="5")
    assert refused.returncode == 1
    assert refused.stderr == (
        "sercuescribe: DEFAULT_CHANNELS='5' is not valid: expected one of 1, 2\n"
    )
