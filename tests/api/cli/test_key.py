"""The command ``sercuescribe key``."""

import pytest

from api.access.api_keys import ApiKeys
from tests.api.cli.command import run

pytestmark = pytest.mark.engine


async def test_the_printed_line_accepts_the_printed_key() -> None:
    printed = run("key", "alice", "--scope", "read")
    assert printed.returncode == 0
    (key,) = [
        line.removeprefix("Key (shown only once): ")
        for line in printed.stderr.splitlines()
        if line.startswith("Key ")
    ]
    assert key not in printed.stdout  # which may go to a file
    identity = await ApiKeys(printed.stdout.strip(), "").identify(key)
    assert (identity.user, identity.scopes) == ("alice", frozenset({"read"}))


def test_without_a_scope_the_key_may_record_and_read() -> None:
    line = run("key", "alice").stdout
    assert line.split()[1:] == ["alice", "record,read"]


def test_a_user_name_that_a_line_cannot_hold_is_refused() -> None:
    refused = run("key", "alice bob")
    assert refused.returncode == 1
    assert refused.stderr.startswith("sercuescribe: ")
    assert refused.stdout == ""


def test_an_unknown_scope_is_refused_with_the_valid_ones() -> None:
    refused = run("key", "alice", "--scope", "write")
    assert refused.returncode == 2
    assert "'record', 'read', 'admin'" in refused.stderr
