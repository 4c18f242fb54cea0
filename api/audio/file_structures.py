"""Checks of the structure of files whose first bytes are too few to identify them.

Every check gets the beginning of a stream. It returns whether a file begins there, and None if it
needs more bytes: less than 8 KiB.
"""

import struct
from collections.abc import Callable

Check = Callable[[bytes], bool | None]

_TS_PACKET_BYTES = 188
_TABLE_PIDS = {0, 17}  # the program association, the service description

# ETSI TS 102 366, table 4.13, in kbit/s.
_AC3_BIT_RATES = (
    32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640,
)  # fmt: skip

_TEXT_STARTS = (b"<!doctype", b"<html", b"<?xml", b"<svg ")
_BOM = b"\xef\xbb\xbf"
_TAR_NAME_BYTES = 100
_TAR_HEADER_BYTES = 512


def mpeg_ts(head: bytes) -> bool | None:
    """Return whether one of three packets has a table with a valid CRC (ISO/IEC 13818-1).

    Sync bytes alone would also match a tone whose period divides a packet.
    """
    starts = range(0, 3 * _TS_PACKET_BYTES, _TS_PACKET_BYTES)
    if len(head) < starts.stop:
        return None
    return any(_has_table(head[start : start + _TS_PACKET_BYTES]) for start in starts)


def mpeg_ps(head: bytes) -> bool | None:
    """Return whether a start code follows the pack header (ISO/IEC 13818-1 and 11172-1)."""
    if len(head) < 17:
        return None
    if head[4] & 0xC4 == 0x44:
        return head[12] & 3 == 3 and head[14:17] == b"\0\0\1"
    return head[4] & 0xF1 == 0x21 and head[12:15] == b"\0\0\1"


def ac3(head: bytes) -> bool | None:
    """Return whether two AC-3 or E-AC-3 frames with valid CRCs begin here (ETSI TS 102 366)."""
    start = 0
    for _ in range(2):
        header = head[start : start + 6]
        if not b"\x0b\x77".startswith(header[:2]):
            return False
        if len(header) < 6:
            return None
        stop = start + _ac3_frame_bytes(header)
        if stop == start:
            return False
        if len(head) < stop:
            return None
        if _crc(head[start + 2 : stop], bits=16, polynomial=0x8005, initial=0):
            return False
        start = stop
    return True


def bmp(head: bytes) -> bool | None:
    """Return whether the second header has one of the known sizes."""
    return None if len(head) < 18 else struct.unpack_from("<I", head, 14)[0] in {40, 108, 124}


def gzip(head: bytes) -> bool | None:
    """Return whether flags, level and system are valid (RFC 1952, section 2.3.1)."""
    if len(head) < 10:
        return None
    return not head[3] & 0xE0 and head[8] in {0, 2, 4} and head[9] in {*range(14), 255}


def html(head: bytes) -> bool | None:
    """Return whether the text begins with HTML, XML or SVG, after a BOM and white space."""
    if len(head) < len(_BOM) and _BOM.startswith(head):
        return None
    text = head[:64].removeprefix(_BOM).lstrip().lower()
    if text.startswith(_TEXT_STARTS):
        return True
    is_open = len(head) < 64 and any(start.startswith(text) for start in _TEXT_STARTS)
    return None if is_open else False


def tar(head: bytes) -> bool | None:
    """Return whether a name, zeros and a valid checksum make up a header (POSIX, ustar)."""
    if not head:
        return None
    name, _, zeros = head[:_TAR_NAME_BYTES].partition(b"\0")
    if not name.strip() or any(zeros) or not all(0x20 <= byte < 0x7F for byte in name):
        return False
    if len(head) < _TAR_HEADER_BYTES:
        return None
    header = head[:_TAR_HEADER_BYTES]
    digits = header[148:156].strip(b" \0")
    total = sum(header) - sum(header[148:156]) + 8 * 0x20
    return digits.isdigit() and not set(digits) & set(b"89") and int(digits, 8) == total


def _has_table(packet: bytes) -> bool:
    pid = (packet[1] & 0x1F) << 8 | packet[2]
    if pid not in _TABLE_PIDS or not packet[1] & 0x40 or packet[3] & 0xF0 != 0x10:
        return False
    start = 5 + packet[4]  # behind the pointer
    if start + 3 > len(packet):
        return False
    stop = start + 3 + ((packet[start + 1] & 0x0F) << 8 | packet[start + 2])
    if not start + 12 <= stop <= len(packet):
        return False
    section = packet[start:stop]
    return _crc(section, bits=32, polynomial=0x04C11DB7, initial=0xFFFFFFFF) == 0


def _ac3_frame_bytes(header: bytes) -> int:
    """Return the length of the frame; 0 if the header is not valid."""
    if header[5] >> 3 > 10:  # E-AC-3 states its length
        return 2 * (((header[2] & 0b111) << 8 | header[3]) + 1)
    rate, size_code = header[4] >> 6, header[4] & 0b111111
    if rate == 0b11 or size_code >= 2 * len(_AC3_BIT_RATES):
        return 0
    bit_rate = _AC3_BIT_RATES[size_code // 2]
    if rate == 0b01:  # 44.1 kHz: every second length has one word more
        return 2 * (320 * bit_rate // 147 + size_code % 2)
    return 2 * bit_rate * (2 if rate == 0b00 else 3)


def _crc(data: bytes, *, bits: int, polynomial: int, initial: int) -> int:
    """Return the CRC, most significant bit first: 0 over data that ends with its CRC."""
    crc, top, mask = initial, 1 << (bits - 1), (1 << bits) - 1
    for byte in data:
        crc ^= byte << (bits - 8)
        for _ in range(8):
            crc = (crc << 1 ^ polynomial if crc & top else crc << 1) & mask
    return crc
