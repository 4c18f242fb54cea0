"""The fields of a WAV header that recording needs."""

import struct
from dataclasses import dataclass

MAX_HEADER_BYTES = 64 * 1024

_TAGS = (b"RIFF", b"RF64", b"BW64")


@dataclass(frozen=True, slots=True)
class WavFormat:
    sample_rate: int
    channels: int
    bytes_per_second: int


def may_be_wav(head: bytes) -> bool:
    """Return whether ``head`` can be the beginning of a WAV."""
    return any(tag.startswith(head[:4]) for tag in _TAGS)


def parse_wav_format(head: bytes) -> WavFormat | None:
    """Return the format in the first bytes of a file; None if they are not a WAV header."""
    if head[:4] not in _TAGS or head[8:12] != b"WAVE":
        return None
    position = 12
    while position + 8 <= len(head):
        tag, size = struct.unpack_from("<4sI", head, position)
        position += 8
        if tag == b"fmt " and position + 12 <= len(head):
            _, channels, sample_rate, bytes_per_second = struct.unpack_from("<HHII", head, position)
            return WavFormat(sample_rate, channels, bytes_per_second)
        position += size + size % 2
    return None
