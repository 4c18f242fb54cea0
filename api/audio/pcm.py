"""The framer of PCM that already has the session's rate, channels and 16 bits per sample.

It runs in Python without a process, and does not copy data that starts and ends at frames.
"""

import struct
from typing import Annotated

import msgspec
from msgspec import Meta

from api.audio.formats import DecodeError
from storage.pcm import Buffer

_TO_THE_END = -1

_State = tuple[
    Annotated[int, Meta(ge=_TO_THE_END)],  # bytes of audio left
    Annotated[int, Meta(ge=0)],  # bytes to skip
    Annotated[bytes, Meta(max_length=8)],  # pending
]
_decode_state = msgspec.msgpack.Decoder(_State).decode

# One byte, because a checkpoint with the state is written after nearly every chunk.
_STATE_OF_RAW_PCM = b"\0"


class PcmFramer:
    """Returns whole frames of PCM from the bytes of a raw stream, or of a WAV after its header.

    In a WAV, other chunks and further ``data`` chunks may follow ``data``: it skips the former and
    returns the audio of the latter. It drops an incomplete frame at the end of a ``data`` chunk,
    as ffmpeg does.
    """

    def __init__(self, frame_bytes: int, data_bytes: int | None) -> None:
        self._frame_bytes = frame_bytes
        self._data_left = _TO_THE_END if data_bytes is None else data_bytes
        self._skip_left = 0
        self._pending = b""  # part of a frame, or of a chunk's header

    def feed(self, data: Buffer) -> Buffer:
        """Return the whole frames that ``data`` completes."""
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
                    self._pending = b""
            elif self._skip_left:
                skipped = min(self._skip_left, len(rest))
                self._skip_left -= skipped
                rest = rest[skipped:]
            else:
                wanted = 8 - len(self._pending)
                self._pending += bytes(rest[:wanted])
                rest = rest[wanted:]
                if len(self._pending) == 8:
                    self._enter_chunk(*struct.unpack("<4sI", self._pending))
        return pcm

    def state(self) -> bytes:
        """Return the state from which :meth:`restored` continues the stream."""
        if self._data_left == _TO_THE_END and not self._pending:
            return _STATE_OF_RAW_PCM
        return msgspec.msgpack.encode((self._data_left, self._skip_left, self._pending))

    @classmethod
    def restored(cls, frame_bytes: int, state: bytes) -> "PcmFramer":
        """Return a framer in the ``state`` that :meth:`state` returned.

        Raises :class:`DecodeError` for any other state.
        """
        if state == _STATE_OF_RAW_PCM:
            return cls(frame_bytes, None)
        try:
            data_left, skip_left, pending = _decode_state(state)
        except msgspec.MsgspecError as error:
            raise DecodeError("the saved state of the stream is damaged") from error
        framer = cls(frame_bytes, data_left)
        framer._skip_left, framer._pending = skip_left, pending
        return framer

    def _whole_frames(self, data: Buffer) -> Buffer:
        if self._pending:
            data = self._pending + bytes(data)
        rest = len(data) % self._frame_bytes
        if not rest:
            self._pending = b""
            return data
        self._pending = bytes(data[-rest:])
        return memoryview(data)[:-rest]

    def _enter_chunk(self, tag: bytes, size: int) -> None:
        self._pending = b""
        if tag == b"data":
            self._data_left = size
        else:
            self._skip_left = size + size % 2
