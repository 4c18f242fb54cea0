"""Two ways from bytes to PCM, and the choice between them.

PCM that already has the session's rate, channels and 16 bits passes through in Python:
no process, no copy of what is aligned. Everything else is ffmpeg's.
"""

import struct
from typing import Literal, NamedTuple

import msgspec

from api.audio.detect import RAW_KINDS, InputKind, detect, find_start
from api.audio.wav import parse_header
from storage.base import Buffer
from storage.wav import PcmFormat

# A WAV header longer than this (a picture in an ID3 chunk, say) is left to ffmpeg.
_MAX_WAV_HEADER_BYTES = 256 * 1024

# A container may begin so far behind junk; what begins later is an error.
_MAX_JUNK_BYTES = 64 * 1024

_TO_THE_END = -1

# Written after nearly every chunk, so as short as can be.
_STATE_OF_RAW_PCM = b"\0"

# What ffmpeg calls the inputs whose name it does not share.
_RAW_SAMPLES = {"pcm_f32le": "f32le", "mulaw": "mulaw", "alaw": "alaw"}
_DEMUXERS = {"webm": "matroska"}

Way = Literal["passthrough", "ffmpeg"]


class PcmFramer:
    """PCM in whole frames, out of the bytes of a raw or WAV stream.

    Follows `api.audio.wav`: after ``data`` come chunks to skip or more ``data``; a
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


class Choice(NamedTuple):
    """How a stream is decoded: passed through, or by ffmpeg, from ``offset`` on.

    ``samples`` is what ffmpeg calls PCM that it gets bare, in ``found``; without, it reads
    the container ``kind`` itself. ``data_bytes`` is how much of a WAV is audio.
    """

    way: Way
    kind: InputKind
    offset: int = 0
    samples: str = ""
    found: PcmFormat | None = None
    data_bytes: int | None = None

    @property
    def demuxer(self) -> str:
        return "matroska" if self.samples else _DEMUXERS.get(self.kind, self.kind)


def choose(
    head: bytes | bytearray, declared: InputKind, pcm_format: PcmFormat, *, at_end: bool = False
) -> Choice | None:
    """How to decode the stream that begins with ``head``; None while more bytes are needed.

    Raises :class:`api.wire.errors.DecodeError` for a WAV that has no audio.
    """
    kind = detect(head, declared, at_end=at_end)
    if kind is None:
        return None
    if kind == "pcm_s16le":
        return Choice("passthrough", kind)
    if kind in RAW_KINDS:
        return Choice("ffmpeg", kind, samples=_RAW_SAMPLES[kind], found=pcm_format)
    if kind == "wav" and len(head) <= _MAX_WAV_HEADER_BYTES:
        header = parse_header(head)
        if header is None and not at_end:
            return None
        if header is not None and header.samples is not None:
            found = PcmFormat(header.sample_rate, header.channels)
            fits = header.samples == "s16le" and found == pcm_format
            way: Way = "passthrough" if fits else "ffmpeg"
            return Choice(way, kind, header.data_offset, header.samples, found, header.data_bytes)
    start = find_start(head, kind)
    if start < 0 and len(head) < _MAX_JUNK_BYTES and not at_end:
        return None
    return Choice("ffmpeg", kind, max(0, start))
