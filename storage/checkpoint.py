"""Checkpoints: how far a recording has got, written after every chunk.

A checkpoint says which bytes of the recording count, how many chunks they
came from, and what is needed to go on decoding in the middle of each open
input stream. It is stored as one record of `storage.record`, whose payload is the
checkpoint as MessagePack.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from storage import record
from storage.errors import BadObjectError, decoding

# The error of a session whose stream cannot be decoded again.
KEPT_INPUT_LOST = "kept input is missing: what was not decoded yet is lost"

_Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class StreamCheckpoint(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One open input stream.

    ``kept_bytes`` of its raw input are kept beside the recording and decode to
    (at least) the ``pcm_bytes`` it has added so far. A stream that passes through
    needs neither: where there is a ``state``, it is all that its decoder needs.
    """

    number: _Count
    kept_bytes: _Count
    pcm_bytes: _Count
    state: bytes


class Checkpoint(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """``chunk_count`` chunks received, ``pcm_bytes`` of audio recorded.

    ``error`` says what could not be decoded, if anything could not.
    """

    chunk_count: _Count = 0
    pcm_bytes: _Count = 0
    streams: tuple[StreamCheckpoint, ...] = ()
    error: str = ""

    def stream(self, number: int) -> StreamCheckpoint:
        """Return the open stream of that number; one without anything if there is none."""
        for stream in self.streams:
            if stream.number == number:
                return stream
        return StreamCheckpoint(number, 0, 0, b"")

    def advanced(
        self, stream: StreamCheckpoint, *, chunks: int, pcm_bytes: int, error: str = ""
    ) -> "Checkpoint":
        """Return the checkpoint after ``chunks`` and ``pcm_bytes`` more, all of ``stream``.

        ``stream`` says what it is then. An empty ``error`` leaves the last one.
        """
        if len(self.streams) == 1 and self.streams[0].number == stream.number:
            streams: tuple[StreamCheckpoint, ...] = (stream,)  # nearly every time
        else:
            streams = (*(s for s in self.streams if s.number != stream.number), stream)
        return Checkpoint(
            self.chunk_count + chunks, self.pcm_bytes + pcm_bytes, streams, error or self.error
        )

    def without(self, number: int, *, error: str = "") -> "Checkpoint":
        """Return the checkpoint after the stream of that number has ended."""
        streams = tuple(stream for stream in self.streams if stream.number != number)
        return Checkpoint(self.chunk_count, self.pcm_bytes, streams, error or self.error)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Checkpoint)


def encode_record(checkpoint: Checkpoint) -> bytes:
    return record.encode(_encoder.encode(checkpoint))


def decode_record(data: bytes) -> Checkpoint | None:
    """Return the checkpoint in the record, None if it is damaged. Ignore trailing bytes."""
    payload = record.decode(data)
    if payload is None:
        return None
    try:
        with decoding("checkpoint"):
            return _decoder.decode(payload)
    except BadObjectError:
        return None
