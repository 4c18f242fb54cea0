"""Checkpoint records with a checksum that shows whether they are complete."""

from hypothesis import given
from hypothesis import strategies as st

from storage.checkpoint import Checkpoint, StreamCheckpoint, decode_record, encode_record

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
