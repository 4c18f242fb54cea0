"""API keys are known by their hash, and come and go with their file."""

import asyncio
import os
from pathlib import Path

import pytest

from api.access.api_keys import ApiKeys, ApiKeysError, key_line, new_key
from api.access.identity import Identity
from api.wire.errors import InvalidCredentialsError

ALICE = Identity("alice", frozenset({"record", "read"}))


def identify(keys: ApiKeys, key: str) -> Identity:
    return asyncio.run(keys.identify(key))


def write(path: Path, *lines: str) -> None:
    """As a careful operator does, and never within one tick of the file system's clock."""
    temporary = path.with_suffix(".new")
    temporary.write_text("\n".join(lines))
    temporary.replace(path)


def test_a_key_says_who_it_is_for_and_its_list_does_not_have_it() -> None:
    key = new_key()
    line = key_line(key, "alice", ["record", "read"])
    assert key not in line
    assert identify(ApiKeys(line, ""), key) == ALICE


@pytest.mark.parametrize("wrong", ["", "scribe_", "0" * 64])
def test_what_is_no_key_is_refused(wrong: str) -> None:
    line = key_line(new_key(), "alice", ["record"])
    for shown in (wrong, line.split()[0]):
        with pytest.raises(InvalidCredentialsError):
            identify(ApiKeys(line, ""), shown)


def test_several_keys_stand_between_semicolons_and_comments_behind_a_hash() -> None:
    one, two = new_key(), new_key()
    lines = [key_line(one, "alice", ["record", "read"]), key_line(two, "bob", ["admin"])]
    keys = ApiKeys(f"{lines[0]}; ;{lines[1]} # the operator", "")
    assert identify(keys, one) == ALICE
    assert identify(keys, two) == Identity("bob", frozenset({"admin"}))


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path, one, two = tmp_path / "keys", new_key(), new_key()
    write(path, "# nobody yet")
    keys = ApiKeys("", str(path))
    with pytest.raises(InvalidCredentialsError):
        identify(keys, one)
    write(path, key_line(one, "alice", ["record", "read"]))
    assert identify(keys, one) == ALICE
    write(path, key_line(two, "alice", ["record", "read"]))
    assert identify(keys, two) == ALICE
    with pytest.raises(InvalidCredentialsError):
        identify(keys, one)


def test_a_file_that_is_broken_or_gone_locks_nobody_out(tmp_path: Path) -> None:
    path, key = tmp_path / "keys", new_key()
    write(path, key_line(key, "alice", ["record", "read"]))
    keys = ApiKeys("", str(path))
    write(path, "half a li")
    assert identify(keys, key) == ALICE
    path.unlink()
    assert identify(keys, key) == ALICE


def test_a_change_within_the_same_size_and_second_is_noticed(tmp_path: Path) -> None:
    path, one, two = tmp_path / "keys", new_key(), new_key()
    path.write_text(key_line(one, "alice", ["record", "read"]))
    keys = ApiKeys("", str(path))
    path.write_text(key_line(two, "alice", ["record", "read"]))
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1))
    assert identify(keys, two) == ALICE


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("abc alice record", "SHA-256"),
        (f"{'0' * 64} alice", "expected"),
        (f"{'0' * 64} alice record,write", "write"),
        (f"{'A' * 64} alice record", "lower case"),
        (f"{'0' * 64} alice record read", "expected"),
    ],
)
def test_a_line_that_is_wrong_is_named(line: str, reason: str) -> None:
    with pytest.raises(ApiKeysError, match=f"key 2: .*{reason}"):
        ApiKeys(f"{key_line(new_key(), 'bob', ['read'])};{line}", "")


@pytest.mark.parametrize("user", ["", "two words", "a#b", "a;b", "a\n"])
def test_a_user_that_a_list_cannot_hold_gets_no_key(user: str) -> None:
    with pytest.raises(ApiKeysError):
        key_line(new_key(), user, ["record"])


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ApiKeysError, match="nowhere"):
        ApiKeys("", str(tmp_path / "nowhere"))
