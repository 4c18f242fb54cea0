"""Checkpoint records with a checksum that shows whether they are complete."""

import struct
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.checkpoint import (
    MAX_RECORD_BYTES,
    Checkpoint,
    StreamCheckpoint,
    decode_record,
    decode_records,
    encode_record,
)
from storage.warning import SessionWarning
from tests.damage import bit_flips

counts = st.integers(0, 2**63 - 1)
streams = st.builds(StreamCheckpoint, counts, counts, counts, st.binary(max_size=40))
warnings = st.builds(
    SessionWarning,
    code=st.text(max_size=20),
    message=st.text(max_size=40),
    chunk_count=counts,
    frame=counts,
)
checkpoints = st.builds(
    Checkpoint,
    counts,
    counts,
    st.lists(streams, max_size=6, unique_by=lambda stream: stream.number).map(tuple),
    warnings=st.lists(warnings, max_size=3).map(tuple),
    warning_count=counts,
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


@given(checkpoints, st.integers(0, 9))
def test_the_next_chunk_of_a_stream_changes_the_counts_and_the_time_only(
    before: Checkpoint, pcm_bytes: int
) -> None:
    assert before.with_next(pcm_bytes, 2.5) == msgspec.structs.replace(
        before,
        chunk_count=before.chunk_count + 1,
        pcm_bytes=before.pcm_bytes + pcm_bytes,
        written_at=2.5,
    )


def test_zeros_are_not_a_record() -> None:
    assert decode_record(bytes(4096)) is None


def test_damaged_bytes_are_no_record() -> None:
    record = encode_record(
        Checkpoint(3, 64000, (StreamCheckpoint(1, 5000, 64000, b""),)).warned(
            "decode_failed", "no frames", frame=32000
        )
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
        b"\x95\x01\x00\x90\x91\x94\xa1\xff\xa0\x00\x00\x01",  # a code is not UTF-8
        b"\x91" * 100_000,
        b"",
    ],
)
def test_other_payloads_with_a_right_checksum_are_no_record(payload: bytes) -> None:
    assert decode_record(struct.pack("<II", zlib.crc32(payload), len(payload)) + payload) is None


@given(st.lists(checkpoints, max_size=4))
def test_consecutive_records_are_decoded_up_to_the_first_damaged_one(
    written: list[Checkpoint],
) -> None:
    records = b"".join(map(encode_record, written))
    assert list(decode_records(records)) == written
    assert list(decode_records(records + encode_record(Checkpoint())[:-1])) == written


def test_a_warning_has_its_place_in_the_input_and_in_the_recording() -> None:
    checkpoint = Checkpoint(3, 64000).warned("decode_failed", "no frames", frame=32000)
    (warning,) = checkpoint.warnings
    assert (warning.chunk_count, warning.frame) == (3, 32000)
    assert (warning.code, warning.message) == ("decode_failed", "no frames")


@given(st.lists(st.tuples(st.sampled_from("abcdefg"), st.text(max_size=200)), max_size=40))
def test_however_many_warnings_there_are_a_record_is_bounded_and_counts_them(
    noticed: list[tuple[str, str]],
) -> None:
    many = tuple(StreamCheckpoint(n, 2**40, 2**40, bytes(24)) for n in range(20))
    checkpoint = Checkpoint(2**40, 2**40, many)
    for code, message in noticed:
        checkpoint = checkpoint.warned(code, message, frame=2**40)
    record = encode_record(checkpoint)
    assert len(record) <= MAX_RECORD_BYTES
    decoded = decode_record(record)
    assert decoded is not None
    assert (decoded.warning_count, decoded.streams) == (len(noticed), many)
