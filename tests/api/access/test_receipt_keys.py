"""One key signs; the service stores it only where no other node needs it."""

from pathlib import Path

import pytest

from api.access.receipt_keys import ReceiptKeys
from storage.receipt_key import ReceiptKey

RETIRED = ReceiptKey(bytes(range(32))).public


def test_a_key_is_made_once_and_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    first = ReceiptKeys("", [], tmp_path).signing()
    second = ReceiptKeys("", [], tmp_path).signing()
    assert first is not None
    assert second is not None
    assert first.kid == second.kid
    assert (tmp_path / ".receipt-key").stat().st_mode & 0o777 == 0o600


def test_a_command_that_only_reads_creates_no_key(tmp_path: Path) -> None:
    assert ReceiptKeys("", [], tmp_path, may_create=False).signing() is None
    created = ReceiptKeys("", [], tmp_path).signing()
    found = ReceiptKeys("", [], tmp_path, may_create=False).signing()
    assert created is not None
    assert found is not None
    assert found.kid == created.kid


def test_without_a_key_and_a_folder_nothing_signs() -> None:
    keys = ReceiptKeys("", [RETIRED.hex()], None)
    assert keys.signing() is None
    assert [each.public_key for each in keys.document().keys] == [RETIRED.hex()]


def test_a_key_of_the_settings_is_not_stored(tmp_path: Path) -> None:
    key = ReceiptKeys("11" * 32, [RETIRED.hex()], tmp_path)
    assert len(key.public()) == 2
    assert list(tmp_path.iterdir()) == []


def test_text_that_is_no_key_is_refused() -> None:
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        ReceiptKeys("", ["no key"], None)
