"""The simple blocks of WebM (RFC 9559, section 10.2), which nearly all of live audio is made of.

They are passed to ffmpeg as they are. So whole ones that follow each other are found together, with
a fraction of the work that the framer does for an element of any kind.
"""

import re

SIMPLE_BLOCK = 0xA3

_LEAST_BYTES = 6  # with an empty frame
_MAX_BLOCKS = 64  # so that hostile input cannot make a step of the framer long


def leading_blocks(buffer: bytearray, start: int, pattern: re.Pattern[bytes]) -> list[int]:
    """Return the lengths of the whole simple blocks at ``start`` of ``buffer``.

    ``pattern`` matches where a block, or another sync point, begins. A block ends the search if its
    size may be wrong, because there is a match inside, and if the size has more than two bytes.
    """
    lengths: list[int] = []
    end = len(buffer)
    while end - start >= _LEAST_BYTES and buffer[start] == SIMPLE_BLOCK:
        size = buffer[start + 1]
        if 0x80 <= size < 0xFF:  # one byte; 0xFF: unknown
            length = 2 + (size & 0x7F)
        elif 0x40 <= size < 0x7F:  # two bytes; 0x7FFF: unknown
            length = 3 + ((size & 0x3F) << 8 | buffer[start + 2])
        else:
            break
        stop = start + length
        if stop > end or not pattern.match(buffer, start, stop):
            break
        if pattern.search(buffer, start + 1, stop) or len(lengths) == _MAX_BLOCKS:
            break
        lengths.append(length)
        start = stop
    return lengths
