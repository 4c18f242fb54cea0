"""API keys are stored as hashes, and the service reads their file again when it changes."""

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
    """Replace the file in one step.

    The new inode makes the change visible within one tick of the file system's clock.
    """
    temporary = path.with_suffix(".new")
    temporary.write_text("\n".join(lines))
    temporary.replace(path)


def test_a_key_identifies_its_user_and_its_line_holds_only_its_hash() -> None:
    key = new_key()
    line = key_line(key, "alice", ["record", "read"])
    assert key not in line
    assert identify(ApiKeys(line, ""), key) == ALICE


@pytest.mark.parametrize("wrong", ["", "scribe_", "0" * 64])
def test_an_unknown_key_and_a_key_hash_are_refused(wrong: str) -> None:
    line = key_line(new_key(), "alice", ["record"])
    for shown in (wrong, line.split()[0]):
        with pytest.raises(InvalidCredentialsError):
            identify(ApiKeys(line, ""), shown)


def test_semicolons_separate_keys_and_a_hash_sign_begins_a_comment() -> None:
    one, two = new_key(), new_key()
    lines = [key_line(one, "alice", ["record", "read"]), key_line(two, "bob", ["admin"])]
    keys = ApiKeys(f"{lines[0]}; ;{lines[1]} # the operator", "")
    assert identify(keys, one) == ALICE
    assert identify(keys, two) == Identity("bob", frozenset({"admin"}))


def test_the_service_reads_a_key_file_again_when_it_changes(tmp_path: Path) -> None:
    path, one, two = tmp_path / "keys", new_key(), new_key()
    write(path, "# no keys yet")
    keys = ApiKeys("", str(path))
    with pytest.raises(InvalidCredentialsError):
        identify(keys, one)
    write(path, key_line(one, "alice", ["record", "read"]))
    assert identify(keys, one) == ALICE
    write(path, key_line(two, "alice", ["record", "read"]))
    assert identify(keys, two) == ALICE
    with pytest.raises(InvalidCredentialsError):
        identify(keys, one)


def test_known_keys_stay_valid_if_the_key_file_is_broken_or_deleted(tmp_path: Path) -> None:
    path, key = tmp_path / "keys", new_key()
    write(path, key_line(key, "alice", ["record", "read"]))
    keys = ApiKeys("", str(path))
    write(path, "half a li")
    assert identify(keys, key) == ALICE
    path.unlink()
    assert identify(keys, key) == ALICE


def test_a_change_of_the_key_file_within_one_second_and_size_is_noticed(tmp_path: Path) -> None:
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
def test_an_invalid_line_is_refused_with_its_number_and_the_reason(line: str, reason: str) -> None:
    with pytest.raises(ApiKeysError, match=f"key 2: .*{reason}"):
        ApiKeys(f"{key_line(new_key(), 'bob', ['read'])};{line}", "")


@pytest.mark.parametrize("user", ["", "two words", "a#b", "a;b", "a\n"])
def test_a_user_name_that_a_key_line_cannot_hold_is_refused(user: str) -> None:
    with pytest.raises(ApiKeysError):
        key_line(new_key(), user, ["record"])


def test_a_missing_key_file_is_refused_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(ApiKeysError, match="nowhere"):
        ApiKeys("", str(tmp_path / "nowhere"))
