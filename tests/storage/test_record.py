"""Records are read as they were written, or not at all."""

import pytest

from storage import record
from tests.damage import damaged

PAYLOAD = b"some payload"


def test_a_payload_is_read_as_it_was_written() -> None:
    for payload in (b"", PAYLOAD, bytes(5000)):
        encoded = record.encode(payload)
        assert len(encoded) == record.PREFIX_BYTES + len(payload)
        assert record.decode(encoded) == payload
        assert record.decode(encoded + b"trailing") == payload


def test_a_damaged_record_is_never_another_payload() -> None:
    found = {record.decode(data) for data in damaged(record.encode(PAYLOAD))}
    # An empty payload is that of eight zeros.
    assert found <= {PAYLOAD, None, b""}
    assert None in found


def test_consecutive_records_are_read_up_to_the_first_that_is_damaged() -> None:
    records = [record.encode(payload) for payload in (b"one", b"two", b"three")]
    assert list(record.split(b"".join(records))) == [b"one", b"two", b"three"]
    assert list(record.split(records[0] + records[1][:-1] + records[2])) == [b"one"]
    assert list(record.split(b"".join(records)[:-1])) == [b"one", b"two"]
    assert list(record.split(b"")) == []


def test_what_is_no_record_behind_the_last_one_is_noticed() -> None:
    records = record.encode(b"one") + record.encode(b"two")
    assert list(record.split_whole(records)) == [b"one", b"two"]
    for rest in (b"\1", record.encode(b"three")[:-1]):
        found = record.split_whole(records + rest)
        assert [next(found), next(found)] == [b"one", b"two"]
        with pytest.raises(ValueError, match=f"no record at byte {len(records)}"):
            next(found)
