"""Checkpoint records with a checksum that shows whether they are complete."""

import struct
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.checkpoint import Checkpoint, StreamCheckpoint, decode_record, encode_record
from tests.damage import bit_flips

counts = st.integers(0, 2**63 - 1)
streams = st.builds(StreamCheckpoint, counts, counts, counts, st.binary(max_size=40))
checkpoints = st.builds(
    Checkpoint, counts, counts, st.lists(streams, max_size=6).map(tuple), st.text(max_size=40)
)


@given(checkpoints, st.binary(max_size=100))
def test_a_record_is_decoded_whatever_follows_it(checkpoint: Checkpoint, rest: bytes) -> None:
    assert decode_record(encode_record(checkpoint) + rest) == checkpoint


@given(checkpoints, st.data())
def test_a_truncated_record_is_detected(checkpoint: Checkpoint, data: st.DataObject) -> None:
    record = encode_record(checkpoint)
    length = data.draw(st.integers(0, len(record) - 1))
    assert decode_record(record[:length]) is None


@given(checkpoints, st.data())
def test_an_altered_record_is_detected(checkpoint: Checkpoint, data: st.DataObject) -> None:
    record = bytearray(encode_record(checkpoint))
    position = data.draw(st.integers(8, len(record) - 1))
    record[position] ^= data.draw(st.integers(1, 255))
    assert decode_record(bytes(record)) is None


def test_zeros_are_not_a_record() -> None:
    assert decode_record(bytes(4096)) is None


def test_damaged_bytes_are_no_record() -> None:
    record = encode_record(
        Checkpoint(3, 64000, (StreamCheckpoint(1, 5000, 64000, b""),), error="not decoded")
    )
    assert not any(decode_record(data) for data in bit_flips(record))
    assert not any(decode_record(record[:length]) for length in range(len(record)))


@pytest.mark.parametrize(
    "payload",
    [
        msgspec.msgpack.encode((-1, 0)),
        msgspec.msgpack.encode((1, 2**64 - 1)),
        msgspec.msgpack.encode((1, 0, ((-1, 0, 0, b""),))),
        msgspec.msgpack.encode((1, 0, (), 5)),
        b"\x94\x01\x00\x90\xa1\xff",  # the error is not UTF-8
        b"\x91" * 100_000,
        b"",
    ],
)
def test_other_payloads_with_a_right_checksum_are_no_record(payload: bytes) -> None:
    assert decode_record(struct.pack("<II", zlib.crc32(payload), len(payload)) + payload) is None
