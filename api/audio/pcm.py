"""The framer of PCM that already has the session's rate, channels and 16 bits per sample.

It runs in Python without a process, and does not copy data that starts and ends at frames.
"""

import re
import struct
from typing import Annotated

import msgspec
from msgspec import Meta

from api.audio.detection import MP4_ZEROS, ZEROS, begins_file, begins_wav
from api.audio.formats import DecodeError
from api.audio.tags import id3_bytes
from storage.pcm import Buffer

_TO_THE_END = -1
_CHUNK_HEADER_BYTES = 8
_MAX_HEAD_BYTES = 64  # decide whether a file begins

# A message could have a million empty chunks.
_MAX_CHUNKS = 5000


# The id of a RIFF chunk, if no file begins with it.
_CHUNK_ID = re.compile(rb"(?!RIFF|RF64|BW64|fLaC|OggS|ID3)[\x20-\x7e]{4}")


class _State(msgspec.Struct, array_like=True):
    """``kept_bytes`` of the pending ones are in kept input, where a chunk or a file begins."""

    data_left: Annotated[int, Meta(ge=_TO_THE_END)]
    skip_left: Annotated[int, Meta(ge=0)]
    pending: Annotated[bytes, Meta(max_length=_MAX_HEAD_BYTES)]
    chunks: Annotated[int, Meta(ge=0)]
    kept_bytes: Annotated[int, Meta(ge=0)] = 0


_decode_state = msgspec.msgpack.Decoder(_State).decode

# One byte, because a checkpoint with the state is written after nearly every chunk.
_STATE_OF_RAW_PCM = b"\0"


class PcmFramer:
    """Returns whole frames of PCM from the bytes of a raw stream, or of a WAV after its header.

    In a WAV, other chunks and further ``data`` chunks may follow ``data``: it skips the former and
    returns the audio of the latter. It drops an incomplete frame at the end of a ``data`` chunk,
    as ffmpeg does. Where a chunk should begin, zeros are padding, and a new file may begin.

    ``next_file`` has the bytes of that file.
    """

    __slots__ = (
        "_chunks",
        "_data_left",
        "_frame_bytes",
        "_kept_bytes",
        "_pending",
        "_skip_left",
        "next_file",
    )

    def __init__(self, frame_bytes: int, data_bytes: int | None) -> None:
        self._frame_bytes = frame_bytes
        self._data_left = _TO_THE_END if data_bytes is None else data_bytes
        self._skip_left = 0
        self._chunks = 0
        self._pending = b""  # part of a frame, or the beginning of a chunk or of a file
        self._kept_bytes = 0  # how many of the pending bytes are in kept input
        self.next_file: bytes | None = None

    @property
    def is_endless(self) -> bool:
        """Return whether all bytes up to the end of the stream are PCM."""
        return self._data_left == _TO_THE_END

    @property
    def has_audio_left(self) -> bool:
        """Return False where a chunk or a new file begins."""
        return self._data_left != 0

    @property
    def passes_whole_frames(self) -> bool:
        """Return whether whole frames pass as they are, and change nothing in the framer."""
        return self._data_left == _TO_THE_END and not self._pending

    @property
    def undecided(self) -> bytes:
        """Return the last bytes of the input: part of a frame, or what may begin a new file."""
        return self._pending

    @property
    def unkept(self) -> bytes:
        """Return the undecided bytes without the first ones that are in kept input."""
        return self._pending[self._kept_bytes :]

    @property
    def covered_bytes(self) -> int:
        """Return how many bytes of an incomplete frame are in kept input."""
        return self._kept_bytes if self._data_left else 0

    def note_kept(self, most_bytes: int | None = None) -> None:
        """Note that the undecided bytes, or the first ``most_bytes``, are in kept input."""
        held = len(self._pending)
        self._kept_bytes = held if most_bytes is None else min(held, most_bytes)

    def feed_now(self, chunk: bytes) -> Buffer | None:
        """Return what :meth:`feed` does; None if the audio of this file ends in ``chunk``.

        Then some bytes may be no audio, such as an incomplete frame.
        """
        ends = begins_wav(chunk) if self.is_endless else len(chunk) >= self._data_left
        return None if ends else self.feed(chunk)

    def feed(self, data: Buffer) -> Buffer:
        """Return the whole frames that ``data`` completes.

        Raises :class:`DecodeError` for more than `_MAX_CHUNKS` chunks.
        """
        if self._data_left == _TO_THE_END:
            return self._whole_frames(data)
        pcm = bytearray()
        rest = memoryview(data)
        while rest:
            if self._data_left:
                audio, rest = rest[: self._data_left], rest[self._data_left :]
                self._data_left -= len(audio)
                pcm += self._whole_frames(audio)
                if not self._data_left:
                    self._pending, self._kept_bytes = b"", 0
            elif self._skip_left:
                skipped = min(self._skip_left, len(rest))
                self._skip_left -= skipped
                rest = rest[skipped:]
            else:
                rest = self._begin_chunk(rest)
        return pcm

    def mute(self) -> None:
        """Replace the bytes of an incomplete frame by silence: their audio must not be kept."""
        if self._data_left:
            self._pending = bytes(len(self._pending))

    def state(self) -> bytes:
        """Return the state from which :meth:`restored` continues the stream."""
        if self.passes_whole_frames:
            return _STATE_OF_RAW_PCM
        state: list[object] = [self._data_left, self._skip_left, self._pending, self._chunks]
        if self._kept_bytes and not self._data_left:  # seldom; else the state is that of 0.2.0
            state.append(self._kept_bytes)
        return msgspec.msgpack.encode(state)

    @classmethod
    def restored(cls, frame_bytes: int, state: bytes) -> "PcmFramer":
        """Return a framer in the ``state`` that :meth:`state` returned.

        Raises :class:`DecodeError` for any other state.
        """
        if state == _STATE_OF_RAW_PCM:
            return cls(frame_bytes, None)
        try:
            found = _decode_state(state)
        except msgspec.MsgspecError as error:
            raise DecodeError("the saved state of the stream is damaged") from error
        framer = cls(frame_bytes, found.data_left)
        framer._skip_left, framer._chunks = found.skip_left, found.chunks
        framer._pending = found.pending
        framer.note_kept(found.kept_bytes)
        return framer

    def _whole_frames(self, data: Buffer) -> Buffer:
        if self._pending:
            data = self._pending + bytes(data)
        rest = len(data) % self._frame_bytes
        if rest != len(data):
            self._kept_bytes = 0
        if not rest:
            self._pending = b""
            return data
        self._pending = bytes(data[-rest:])
        return memoryview(data)[:-rest]

    def _begin_chunk(self, data: memoryview) -> memoryview:
        """Read the header of a chunk, or the beginning of a file; return the bytes after it."""
        if not self._pending.strip(b"\0") and (match := ZEROS.match(data)):
            data = data[max(0, match.end() - MP4_ZEROS) :]  # there may be millions
        held = len(self._pending)
        head = self._pending + bytes(data[: _MAX_HEAD_BYTES - held])
        padding = _padding_bytes(head)
        if padding:
            self._pending = self._pending[padding:]
            self._kept_bytes = max(0, self._kept_bytes - padding)
            return data[max(0, padding - held) :]
        is_file = None if padding is None else _begins_file(head)
        if is_file:
            self.next_file, self._pending = self._pending + bytes(data), b""
            return data[:0]
        if is_file is None or len(head) < _CHUNK_HEADER_BYTES:
            self._pending = head
            return data[len(head) - held :]
        self._enter_chunk(*struct.unpack_from("<4sI", head))
        if held <= _CHUNK_HEADER_BYTES:
            return data[_CHUNK_HEADER_BYTES - held :]
        return memoryview(head[_CHUNK_HEADER_BYTES:held] + bytes(data))

    def _enter_chunk(self, tag: bytes, size: int) -> None:
        self._pending, self._kept_bytes = b"", 0
        self._chunks += 1
        if self._chunks > _MAX_CHUNKS:
            raise DecodeError(f"WAV: more than {_MAX_CHUNKS} chunks")
        if tag == b"data":
            self._data_left = size
        else:
            self._skip_left = size + size % 2


def _padding_bytes(head: bytes) -> int | None:
    """Return how many zeros are in front of the next chunk or file; None if it needs more bytes.

    The first two or three bytes of an MP4 are zeros too.
    """
    zeros = len(head) - len(head.lstrip(b"\0"))
    if zeros and len(head) < zeros + len(b"??ftyp"):
        return zeros - MP4_ZEROS if zeros > MP4_ZEROS else None
    for start in (zeros - 3, zeros - 2):
        if start >= 0 and head[start + 4 : start + 8] == b"ftyp":
            return start
    return zeros


def _begins_file(head: bytes) -> bool | None:
    """Return whether a file begins where a chunk should; None if it needs more bytes."""
    if _CHUNK_ID.match(head):
        return False
    if head.startswith(b"ID3"):
        length = id3_bytes(head)
        return None if length is None else length > 0
    return begins_file(head, at_end=len(head) >= _MAX_HEAD_BYTES, one_frame=True)
