"""Detection of the input format by the first bytes of a stream.

Containers have signatures. MPEG audio and ADTS have only a sync word of 11 or 12 bits, which occurs
by chance in one of a few thousand streams of raw PCM. So, unless the client declares one of these
formats, a second frame header must follow where the first frame ends.
"""

import re
from collections.abc import Callable

from api.audio.formats import RAW_KINDS, InputKind
from storage.pcm import Buffer

FrameBytes = Callable[[bytes], int | None]

# All (offset, bytes) pairs of a signature must match.
_SIGNATURES: tuple[tuple[InputKind, tuple[tuple[int, bytes], ...]], ...] = (
    ("wav", ((0, b"RIFF"), (8, b"WAVE"))),
    ("wav", ((0, b"RF64"), (8, b"WAVE"))),
    ("wav", ((0, b"BW64"), (8, b"WAVE"))),
    ("flac", ((0, b"fLaC"),)),
    ("ogg", ((0, b"OggS\x00"),)),
    ("webm", ((0, b"\x1a\x45\xdf\xa3"),)),
    ("mp4", ((0, b"\0\0"), (4, b"ftyp"))),
)

ZEROS = re.compile(rb"\0*")
MP4_ZEROS = 3  # at most, before the first byte of an MP4 that is not zero

NEW_FILE_HEAD_BYTES = 9000  # two frames of MPEG audio or ADTS

# Where a container has ended, damage may follow, and any bytes. So a new file must match at least
# eight fixed bytes, or two frame headers.
_NEW_FILE = re.compile(
    rb"(?:RIFF|RF64|BW64).{4}WAVE"
    rb"|fLaC[\x00\x80]\x00\x00\x22"  # STREAMINFO, 34 bytes
    # Version 0, "beginning of stream", granule position 0 (RFC 3533, section 6).
    rb"|OggS\x00\x02\x00{8}"
    rb"|\x1a\x45\xdf\xa3.{1,57}?\x42\x82"  # with a document type (RFC 8794)
    rb"|\x00\x00.{2}ftyp[\x20-\x7e]{4}",
    re.DOTALL,
)
# The first two bytes of all of these, and of frames.
_NEW_FILE_BEGINNING = re.compile(rb"RI|RF|BW|fL|Og|\x1a\x45|\x00\x00|\xff[\xe0-\xff]")
# How many bytes decide whether a file begins that starts with these four.
_NEW_FILE_BYTES = (
    (b"RIFF", 12), (b"RF64", 12), (b"BW64", 12), (b"fLaC", 8), (b"OggS", 14),
    (b"\x1a\x45\xdf\xa3", 64),
)  # fmt: skip

# In raw PCM, only the start of a chunk may begin a new file, and only with these bytes.
_WAV_START = re.compile(rb"RIFF.{4}WAVEfmt ", re.DOTALL)

# ISO/IEC 11172-3 and 13818-3: bit rates in kbit/s by (is MPEG-1, layer) and index.
_BIT_RATES = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_SAMPLE_RATES = {
    0b11: (44100, 48000, 32000),
    0b10: (22050, 24000, 16000),
    0b00: (11025, 12000, 8000),
}


def detect(
    head: bytes | bytearray, declared: InputKind, *, at_end: bool = False
) -> InputKind | None:
    """Return the kind of stream that begins with ``head``; None if it needs more bytes.

    ``declared`` decides only where the bytes do not: ``wav`` then means raw PCM, signed 16-bit
    little endian. If ``at_end``, no more bytes follow, and the result is never None. Detection
    needs at most 8 KiB. `api.audio.tags` says where a leading tag ends.
    """
    matches = [(_compare(head, pattern), kind) for kind, pattern in _SIGNATURES]
    for is_match, kind in matches:
        if is_match:
            return kind
    waiting = any(is_match is None for is_match, _ in matches)
    if declared not in RAW_KINDS:
        for kind, frame_bytes in _FRAMED:
            match _synced(head, frame_bytes, is_declared=declared == kind):
                case True:
                    return kind
                case None:
                    waiting = True
    if waiting and not at_end:
        return None
    return "pcm_s16le" if declared == "wav" else declared


def find_start(head: bytes | bytearray, kind: InputKind) -> int:
    """Return the offset in ``head`` at which a stream of ``kind`` begins, after junk; -1: none.

    ffmpeg searches for the start of all kinds but WebM and MP4 itself.
    """
    if kind == "webm":
        return head.find(b"\x1a\x45\xdf\xa3")
    if kind == "mp4":
        return max(-1, head.find(b"ftyp") - 4)
    return 0


def begins_file(
    head: bytes | bytearray, *, at_end: bool = False, one_frame: bool = False
) -> bool | None:
    """Return whether a file begins with ``head``, behind the end of another one.

    None: it needs more bytes, at most 8 KiB; never if ``at_end``. If ``one_frame``, one header of
    MPEG audio or ADTS is enough, not two, and 64 bytes are.
    """
    if len(head) >= 2 and not _NEW_FILE_BEGINNING.match(head):
        return False
    head = bytes(head[:NEW_FILE_HEAD_BYTES])
    if _NEW_FILE.match(head):
        return True
    synced = [_synced(head, frame_bytes, is_declared=one_frame) for _, frame_bytes in _FRAMED]
    if True in synced:
        return True
    if at_end or (None not in synced and not _may_begin_file(head)):
        return False
    return None if len(head) < NEW_FILE_HEAD_BYTES else False


def begins_container(head: Buffer) -> bool:
    """Return whether a container begins with ``head``; False also if it is too short."""
    return _NEW_FILE.match(head) is not None


def begins_wav(chunk: Buffer) -> bool:
    """Return whether a ``chunk`` of raw PCM begins a WAV.

    PCM may contain any bytes: these twelve fixed ones begin a chunk of it by chance with a
    probability of 2 ** -96.
    """
    return _WAV_START.match(chunk) is not None


def _may_begin_file(head: bytes) -> bool:
    """Return whether ``head`` is too short to decide that no container begins."""
    if len(head) < 12 and head[:2] == bytes(len(head[:2])) and b"ftyp".startswith(head[4:8]):
        return True
    return any(
        magic.startswith(head[:4]) and len(head) < needed for magic, needed in _NEW_FILE_BYTES
    )


def _compare(head: bytes | bytearray, pattern: tuple[tuple[int, bytes], ...]) -> bool | None:
    """Return whether ``head`` matches the pattern; None if it needs more bytes."""
    whole = True
    for offset, expected in pattern:
        found = head[offset : offset + len(expected)]
        if found != expected[: len(found)]:
            return False
        whole = whole and len(found) == len(expected)
    return True if whole else None


def _synced(head: bytes | bytearray, frame_bytes: FrameBytes, *, is_declared: bool) -> bool | None:
    """Return whether frames begin here; None if it needs more bytes.

    If the client declared the format, one frame header is enough; else there must be two.
    """
    length = frame_bytes(bytes(head[:8]))
    if length and not is_declared:
        length = frame_bytes(bytes(head[length : length + 8]))
    return None if length is None else length > 0


def mpeg_frame_bytes(head: bytes) -> int | None:
    """Return the length of the MPEG audio frame at the start of ``head`` (ISO/IEC 11172-3).

    0: there is no frame. None: the header is incomplete.
    """
    if head[:1] not in {b"", b"\xff"} or (len(head) > 1 and head[1] & 0xE0 != 0xE0):
        return 0
    if len(head) < 4:
        return None
    version, layer = head[1] >> 3 & 0b11, 4 - (head[1] >> 1 & 0b11)
    bit_rate_index, rate_index = head[2] >> 4, head[2] >> 2 & 0b11
    if version == 0b01 or layer == 4 or bit_rate_index in {0, 15} or rate_index == 3:
        return 0
    mpeg1 = version == 0b11
    bit_rate = 1000 * _BIT_RATES[mpeg1, layer][bit_rate_index - 1]
    sample_rate = _SAMPLE_RATES[version][rate_index]
    padding = head[2] >> 1 & 1
    if layer == 1:
        return (12 * bit_rate // sample_rate + padding) * 4
    return (144 if mpeg1 or layer == 2 else 72) * bit_rate // sample_rate + padding


def adts_frame_bytes(head: bytes) -> int | None:
    """Return the length of the ADTS frame at the start of ``head`` (ISO/IEC 13818-7, 6.2).

    0: there is no frame. None: the header is incomplete.
    """
    if head[:1] not in {b"", b"\xff"} or (len(head) > 1 and head[1] & 0xF6 != 0xF0):
        return 0
    if len(head) < 6:
        return None
    length = (head[3] & 0b11) << 11 | head[4] << 3 | head[5] >> 5
    return length if length >= 7 and head[2] >> 2 & 0b1111 < 13 else 0


_FRAMED: tuple[tuple[InputKind, FrameBytes], ...] = (
    ("mp3", mpeg_frame_bytes),
    ("aac", adts_frame_bytes),
)
