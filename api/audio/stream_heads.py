"""The head of a stream: what its decoder needs to go on in the middle, behind a pause.

That is what is in front of the audio. MP3 and AAC have no such header: there it is the first two
frames, so that their format can be detected again.
"""

import struct
from typing import NamedTuple

from api.audio.detection import adts_frame_bytes, mpeg_frame_bytes
from api.audio.formats import RAW_KINDS, DecodeError, InputKind
from api.audio.tags import id3_bytes

MAX_HEAD_BYTES = 1024 * 1024

_CLUSTER = b"\x1f\x43\xb6\x75"  # RFC 9559, section 5.1.3
_FRAMES = 2
_ADTS_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
_MPEG_RATES = (44100, 48000, 32000)  # of MPEG-1; of MPEG-2 a half, of MPEG-2.5 a quarter


class StreamHead(NamedTuple):
    """The first ``length`` bytes of a stream; ``seconds`` of audio are in them.

    What follows consists of blocks of ``block_bytes``, or of elements that can be found.
    """

    length: int
    seconds: float = 0.0
    block_bytes: int = 1


def find_head(kind: InputKind, start: bytes) -> StreamHead | None:
    """Return the head of the stream that begins with ``start``; None if it is longer.

    Raises :class:`DecodeError` if it has more than `MAX_HEAD_BYTES`.
    """
    found = _find(kind, start)
    if found is None and len(start) >= MAX_HEAD_BYTES:
        raise DecodeError("the header is too long to go on after a pause; begin a new file")
    return found


def block_bytes_behind(kind: InputKind, head: bytes) -> int:
    """Return the length of the blocks that follow the ``head`` of a WAV, else 1."""
    found = _wav(head) if kind == "wav" else None
    return 1 if found is None else found.block_bytes


def _find(kind: InputKind, start: bytes) -> StreamHead | None:
    if kind in RAW_KINDS:
        return StreamHead(0)
    match kind:
        case "webm":
            length = start.find(_CLUSTER)
            return None if length < 0 else StreamHead(length)
        case "mp4":
            return _mp4(start)
        case "ogg":
            return _ogg(start)
        case "flac":
            return _flac(start)
        case "wav":
            return _wav(start)
    return _frames(kind, start)


def _mp4(start: bytes) -> StreamHead | None:
    """Return all boxes up to the first fragment, or up to the audio and with the header of that."""
    position = 0
    while position + 8 <= len(start):
        size, name = struct.unpack_from(">I4s", start, position)
        if name in {b"moof", b"sidx"}:
            return StreamHead(position)
        if name == b"mdat":
            return StreamHead(position + (16 if size == 1 else 8))
        if size < 8:
            raise DecodeError("the header cannot be read; begin a new file after a pause")
        position += size
    return None


def _ogg(start: bytes) -> StreamHead | None:
    """Return the pages of headers, whose granule position is 0 (RFC 3533, section 6)."""
    position = 0
    while position + 27 <= len(start):
        segments = start[position + 26]
        table = start[position + 27 : position + 27 + segments]
        if start[position : position + 4] != b"OggS":
            raise DecodeError("the header cannot be read; begin a new file after a pause")
        granule = int.from_bytes(start[position + 6 : position + 14], "little")
        if granule and granule != 2**64 - 1:
            return StreamHead(position)
        if len(table) < segments:
            return None
        position += 27 + segments + sum(table)
    return None


def _flac(start: bytes) -> StreamHead | None:
    """Return the metadata blocks (RFC 9639, section 8)."""
    position = id3_bytes(start) or 0
    position += 4
    while position + 4 <= len(start):
        is_last, size = start[position] & 0x80, int.from_bytes(start[position + 1 : position + 4])
        position += 4 + size
        if is_last:
            return StreamHead(position) if position <= len(start) else None
    return None


def _wav(start: bytes) -> StreamHead | None:
    """Return all up to the audio; its blocks are those of the format chunk."""
    position, block_bytes = 12, 1
    while position + 8 <= len(start):
        name, size = struct.unpack_from("<4sI", start, position)
        if name == b"data":
            return StreamHead(position + 8, 0.0, max(1, block_bytes))
        if name == b"fmt ":
            if position + 22 > len(start):
                return None
            (block_bytes,) = struct.unpack_from("<H", start, position + 20)
        position += 8 + size + size % 2
    return None


def _frames(kind: InputKind, start: bytes) -> StreamHead | None:
    """Return the first frames of an MP3 or of AAC, with the tag in front of them."""
    parse = adts_frame_bytes if kind == "aac" else mpeg_frame_bytes
    position, seconds = id3_bytes(start) or 0, 0.0
    for _ in range(_FRAMES):
        header = start[position : position + 7]
        length = parse(header)
        if length is None or position + length > len(start):
            return None
        if not length:
            raise DecodeError("the header cannot be read; begin a new file after a pause")
        seconds += _adts_seconds(header) if kind == "aac" else _mpeg_seconds(header)
        position += length
    return StreamHead(position, seconds)


def _adts_seconds(header: bytes) -> float:
    """Return the length of a frame of 1,024 samples (ISO/IEC 13818-7, section 6.2)."""
    return 1024 / _ADTS_RATES[header[2] >> 2 & 0xF]


def _mpeg_seconds(header: bytes) -> float:
    """Return the length of a frame (ISO/IEC 11172-3 and 13818-3, section 2.4.2.3)."""
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    rate = _MPEG_RATES[header[2] >> 2 & 3] // {3: 1, 2: 2, 0: 4}[version]
    samples = 384 if layer == 3 else 576 if layer == 1 and version != 3 else 1152
    return samples / rate
