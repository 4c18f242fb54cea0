"""Detection of the input format by the first bytes of a stream.

Containers have signatures. MPEG audio and ADTS have only a sync word of 11 or 12 bits, which occurs
by chance in one of a few thousand streams of raw PCM. So, unless the client declares one of these
formats, a second frame header must follow where the first frame ends.
"""

from collections.abc import Callable

from api.audio.formats import RAW_KINDS, InputKind

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

# This many bytes decide whether a file begins.
SIGNATURE_BYTES = 16

# PCM may contain any bytes, so a file that begins inside a running stream must match at least
# eight fixed bytes; fewer would match by chance.
_NEW_FILE_BYTES = 64
_NEW_FILE_MAGIC = frozenset({b"RIFF", b"RF64", b"BW64", b"fLaC", b"OggS", b"\x1a\x45\xdf\xa3"})

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


def begins_file(chunk: bytes) -> bool:
    """Return whether ``chunk``, received in the middle of a stream, begins a new file."""
    if chunk[:4] not in _NEW_FILE_MAGIC and chunk[4:8] != b"ftyp":
        return False
    head = bytes(chunk[:_NEW_FILE_BYTES])
    if head[8:12] == b"WAVE":
        return head[:4] in {b"RIFF", b"RF64", b"BW64"}
    if head.startswith(b"fLaC"):
        return head[4:8] in {b"\x00\x00\x00\x22", b"\x80\x00\x00\x22"}  # STREAMINFO, 34 bytes
    if head.startswith(b"OggS"):
        # Version 0, "beginning of stream", granule position 0 (RFC 3533, section 6).
        return head[4:14] == b"\x00\x02" + bytes(8)
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return b"\x42\x82" in head  # the DocType element of an EBML header (RFC 8794)
    return head[:2] == b"\x00\x00" and head[4:8] == b"ftyp"


def may_begin_file(chunk: bytes) -> bool:
    """Return whether ``chunk`` is a prefix of a signature, too short to decide.

    Chromium's recorder delivers a first blob of one byte if its time slice is a few milliseconds.
    """
    if not 0 < len(chunk) < SIGNATURE_BYTES:
        return False
    if any(magic.startswith(chunk[:4]) for magic in _NEW_FILE_MAGIC):
        return True
    return chunk[:3] == bytes(min(3, len(chunk))) and b"ftyp".startswith(chunk[4:8])


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


def _mpeg_frame_bytes(head: bytes) -> int | None:
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
    ("mp3", _mpeg_frame_bytes),
    ("aac", adts_frame_bytes),
)
