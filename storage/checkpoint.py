"""Checkpoints: how far a recording has got, written after every chunk.

A checkpoint says which bytes of the recording count, how many chunks they came from, and what is
needed to go on decoding in the middle of each open input stream. It is stored as one record of
`storage.record`, whose payload is the checkpoint as MessagePack.
"""

from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta

from storage import record, warning
from storage.errors import BadObjectError, decoding
from storage.journal import JOURNAL
from storage.warning import SessionWarning

# S3 allows 2 KB of metadata, and Base64 makes 4 bytes of 3.
MAX_RECORD_BYTES = 1400
_MAX_PAYLOAD_BYTES = MAX_RECORD_BYTES - record.PREFIX_BYTES

_Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]

TIMELINE = 2**32  # the number of `storage.timeline` in kept input; no input stream has it


class OpenPause(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A pause that began at Unix time ``began_at``, after ``chunk_count`` chunks.

    ``input_bytes`` have arrived since then and are not recorded.
    """

    began_at: float
    chunk_count: _Count
    input_bytes: _Count = 0


class StreamCheckpoint(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One open input stream.

    ``kept_bytes`` of its raw input are kept beside the recording. Without a ``state`` they
    decode to (at least) the ``pcm_bytes`` it has added so far. Where there is a ``state``, because
    the stream passes through or has failed, it is all that its decoder needs, and only the digest
    of the input needs the kept bytes.

    If the stream goes on behind a pause and only its head is kept, ``skipped_bytes`` came after the
    head; else it is None.
    """

    number: _Count
    kept_bytes: _Count
    pcm_bytes: _Count
    state: bytes
    skipped_bytes: _Count | None = None


class Checkpoint(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """``chunk_count`` chunks received, ``pcm_bytes`` of audio recorded.

    ``warnings`` are the first ones of ``warning_count``. ``journal_bytes`` of `storage.journal`
    and ``timeline_bytes`` of `storage.timeline` are kept. ``written_at`` is the Unix time of the
    last chunk. While there is a ``pause``, chunks count and are not recorded. Release 0.2.0 knows
    and writes nothing from the journal on.
    """

    chunk_count: _Count = 0
    pcm_bytes: _Count = 0
    streams: tuple[StreamCheckpoint, ...] = ()
    warnings: tuple[SessionWarning, ...] = ()
    warning_count: int = 0
    journal_bytes: _Count = 0
    timeline_bytes: _Count = 0
    written_at: float = 0.0
    pause: OpenPause | None = None

    @property
    def kept_bytes(self) -> dict[int, int]:
        """Return how much is kept of each open stream, of the journal and of the timeline."""
        kept = {stream.number: stream.kept_bytes for stream in self.streams}
        if self.journal_bytes:
            kept[JOURNAL] = self.journal_bytes
        if self.timeline_bytes:
            kept[TIMELINE] = self.timeline_bytes
        return kept

    def stream(self, number: int) -> StreamCheckpoint:
        """Return the open stream of that number; one without anything if there is none."""
        for stream in self.streams:
            if stream.number == number:
                return stream
        return StreamCheckpoint(number, 0, 0, b"")

    def with_next(self, pcm_bytes: int, at: float) -> "Checkpoint":
        """Return the checkpoint after one chunk more of the stream that had the last one.

        The state of its decoder is the same, and ``at`` is the Unix time. This is the hot path.
        """
        return Checkpoint(
            self.chunk_count + 1,
            self.pcm_bytes + pcm_bytes,
            self.streams,
            self.warnings,
            self.warning_count,
            self.journal_bytes,
            self.timeline_bytes,
            at,
            self.pause,
        )

    def advanced(
        self, stream: StreamCheckpoint, *, chunks: int, pcm_bytes: int, at: float | None = None
    ) -> "Checkpoint":
        """Return the checkpoint after ``chunks`` and ``pcm_bytes`` more, all of ``stream``.

        ``stream`` says what it is then; ``at`` is the Unix time, if a chunk has arrived.
        """
        streams = (*(s for s in self.streams if s.number != stream.number), stream)
        return Checkpoint(
            self.chunk_count + chunks,
            self.pcm_bytes + pcm_bytes,
            streams,
            self.warnings,
            self.warning_count,
            self.journal_bytes,
            self.timeline_bytes,
            self.written_at if at is None else at,
            self.pause,
        )

    def without(self, number: int) -> "Checkpoint":
        """Return the checkpoint after the stream of that number has ended."""
        streams = tuple(stream for stream in self.streams if stream.number != number)
        return msgspec.structs.replace(self, streams=streams)

    def warned(self, code: str, message: str, *, frame: int) -> "Checkpoint":
        """Return the checkpoint with one warning more, noticed when there were ``frame`` frames."""
        new = SessionWarning(code=code, message=message, chunk_count=self.chunk_count, frame=frame)
        return msgspec.structs.replace(
            self,
            warnings=warning.added(self.warnings, new),
            warning_count=self.warning_count + 1,
        )


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Checkpoint)


def encode_record(checkpoint: Checkpoint) -> bytes:
    """Return the record.

    If it would be longer than `MAX_RECORD_BYTES`, because many streams are open, it has fewer
    warnings; their count stays.
    """
    payload = _encode(checkpoint)
    while len(payload) > _MAX_PAYLOAD_BYTES and checkpoint.warnings:
        checkpoint = msgspec.structs.replace(checkpoint, warnings=checkpoint.warnings[:-1])
        payload = _encode(checkpoint)
    return record.encode(payload)


def decode_records(data: bytes) -> Iterator[Checkpoint]:
    """Yield the checkpoints of consecutive records, up to the first that is damaged."""
    for payload in record.split(data):
        if (checkpoint := _decode(payload)) is None:
            return
        yield checkpoint


def decode_record(data: bytes) -> Checkpoint | None:
    """Return the checkpoint in the record, None if it is damaged. Ignore trailing bytes."""
    payload = record.decode(data)
    return None if payload is None else _decode(payload)


def _decode(payload: bytes) -> Checkpoint | None:
    try:
        with decoding("checkpoint"):
            return _decoder.decode(payload)
    except BadObjectError:
        return None
