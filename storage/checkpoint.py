"""Checkpoints: how far a recording has got, written after every chunk.

A checkpoint says which bytes of the recording count, how many chunks they
came from, and what is needed to go on decoding in the middle of each open
input stream. It is stored as one self-checking record, so that a record torn
by a power cut is noticed::

    uint32  CRC-32 of the payload
    uint32  payload length in bytes
    …       the payload: the checkpoint as MessagePack
"""

import struct
import zlib

import msgspec

_PREFIX = struct.Struct("<II")


class StreamCheckpoint(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One open input stream.

    ``kept_bytes`` of its raw input are kept beside the recording and decode to
    (at least) the ``pcm_bytes`` it has added so far. A stream that passes through
    needs neither: where there is a ``state``, it is all that its decoder needs.
    """

    number: int
    kept_bytes: int
    pcm_bytes: int
    state: bytes


class Checkpoint(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """``chunk_count`` chunks received, ``pcm_bytes`` of audio recorded.

    ``error`` says what could not be decoded, if anything could not.
    """

    chunk_count: int = 0
    pcm_bytes: int = 0
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
    payload = _encoder.encode(checkpoint)
    return _PREFIX.pack(zlib.crc32(payload), len(payload)) + payload


def decode_record(record: bytes) -> Checkpoint | None:
    """Return the checkpoint in ``record``, None if it is damaged. Ignore trailing bytes."""
    if len(record) < _PREFIX.size:
        return None
    checksum, length = _PREFIX.unpack_from(record)
    payload = record[_PREFIX.size : _PREFIX.size + length]
    if len(payload) != length or zlib.crc32(payload) != checksum:
        return None
    try:
        return _decoder.decode(payload)
    except msgspec.MsgspecError:
        return None
