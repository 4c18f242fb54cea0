"""PCM that already has the session's rate, channels and 16 bits: it passes through in Python.

No process, no copy of what is aligned.
"""

import struct

import msgspec

from storage.pcm import Buffer

_TO_THE_END = -1

# Written after nearly every chunk, so as short as can be.
_STATE_OF_RAW_PCM = b"\0"


class PcmFramer:
    """PCM in whole frames, out of the bytes of a raw or WAV stream.

    Follows `api.audio.wav_header`: after ``data`` come chunks to skip or more ``data``; a
    frame that is cut short at the end of a chunk's audio is dropped, as ffmpeg does.
    """

    def __init__(self, frame_bytes: int, data_bytes: int | None) -> None:
        self._frame_bytes = frame_bytes
        self._data_left = _TO_THE_END if data_bytes is None else data_bytes
        self._skip_left = 0
        self._pending = b""  # part of a frame, or of a chunk's header

    def feed(self, data: Buffer) -> Buffer:
        """The PCM that ``data`` completes."""
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
        """All that is needed to go on from here: see :meth:`restored`."""
        if self._data_left == _TO_THE_END and not self._pending:
            return _STATE_OF_RAW_PCM
        return msgspec.msgpack.encode((self._data_left, self._skip_left, self._pending))

    @classmethod
    def restored(cls, frame_bytes: int, state: bytes) -> "PcmFramer":
        if state == _STATE_OF_RAW_PCM:
            return cls(frame_bytes, None)
        data_left, skip_left, pending = msgspec.msgpack.decode(state, type=tuple[int, int, bytes])
        decoder = cls(frame_bytes, data_left)
        decoder._skip_left, decoder._pending = skip_left, pending
        return decoder

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
