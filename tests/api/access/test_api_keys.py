"""API keys are stored as hashes, and the service reads their file again when it changes."""

import asyncio
import os
import threading
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


def in_place(path: Path, text: str) -> None:
    """Replace the text with one of the same length; keep the inode and the times of the file."""
    before = path.stat()
    assert len(text) == before.st_size
    with path.open("r+") as file:
        file.write(text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_change_that_keeps_size_inode_and_time_takes_effect(tmp_path: Path) -> None:
    path, one, two = tmp_path / "keys", new_key(), new_key()
    path.write_text(key_line(one, "alice", ["record", "read"]))
    keys = ApiKeys("", str(path))
    assert identify(keys, one) == ALICE
    in_place(path, key_line(two, "alice", ["record", "read"]))
    assert identify(keys, two) == ALICE
    with pytest.raises(InvalidCredentialsError):
        identify(keys, one)


def test_a_key_that_was_removed_is_refused_even_if_another_line_is_not_valid(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, one, two = tmp_path / "keys", new_key(), new_key()
    lines = [key_line(each, "alice", ["record", "read"]) for each in (one, two)]
    write(path, *lines)
    keys = ApiKeys("", str(path))
    write(path, "half a", lines[1])
    assert identify(keys, two) == ALICE
    with pytest.raises(InvalidCredentialsError):
        identify(keys, one)
    assert "line=1 error=expected <sha256>" in caplog.text


def test_the_keys_of_a_file_that_was_deleted_are_refused_until_it_is_back(tmp_path: Path) -> None:
    path, key, listed = tmp_path / "keys", new_key(), new_key()
    line = key_line(key, "alice", ["record", "read"])
    write(path, line)
    keys = ApiKeys(key_line(listed, "alice", ["record", "read"]), str(path))
    path.unlink()
    with pytest.raises(InvalidCredentialsError):
        identify(keys, key)
    assert identify(keys, listed) == ALICE
    write(path, line)
    assert identify(keys, key) == ALICE


def test_known_keys_stay_valid_while_the_file_cannot_be_read(tmp_path: Path) -> None:
    path, key = tmp_path / "keys", new_key()
    write(path, key_line(key, "alice", ["record", "read"]))
    keys = ApiKeys("", str(path))
    path.unlink()
    path.symlink_to(path)  # ELOOP: no answer whether the file has the key
    assert identify(keys, key) == ALICE


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    path, key = tmp_path / "pipe", new_key()
    os.mkfifo(path)
    line = key_line(key, "alice", ["record", "read"])
    writer = threading.Thread(target=path.write_text, args=(line,))
    writer.start()
    keys = ApiKeys("", str(path))
    writer.join()
    assert identify(keys, key) == ALICE
    assert identify(keys, key) == ALICE


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


def test_an_ingest_token_has_letters_and_digits_only() -> None:
    token = new_key(["ingest"])
    assert token.isascii()
    assert token.isalnum()
    assert new_key(["ingest", "record"]).startswith("scribe_")
