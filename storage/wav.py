"""The WAV container that recordings are written in: RIFF below 4 GiB, RF64 above.

Every recording starts with the same 80 bytes, so that its audio can grow in
place and the choice between RIFF and RF64 is made at the end, without a
rewrite: a ``JUNK`` chunk reserves exactly the room that RF64's ``ds64`` chunk
needs (EBU Tech 3306, section 2.4 "achieving compatibility between BWF and RF64"):

====== ===== =================================================
offset bytes content
====== ===== =================================================
0      12    ``RIFF`` or ``RF64``, size of what follows, ``WAVE``
12     36    ``JUNK`` or ``ds64``: 28 bytes
48     24    ``fmt ``: 16 bytes, PCM, 16 bits
72     8     ``data`` and its size
80     …     interleaved samples, signed 16-bit little endian
====== ===== =================================================
"""

import struct
from typing import Literal

from storage.pcm import SAMPLE_BYTES, PcmFormat

HEADER_BYTES = 80

_UINT32_MAX = 0xFFFFFFFF
_DS64_BYTES = 28
_WAVE_FORMAT_PCM = 1

Container = Literal["RIFF", "RF64"]


def container(pcm_bytes: int) -> Container:
    """Return RIFF if its 32-bit sizes can hold the file, else RF64."""
    # 0xFFFFFFFF itself means "unknown" to readers of streamed WAV files.
    return "RIFF" if _riff_bytes(pcm_bytes) < _UINT32_MAX else "RF64"


def header(pcm_format: PcmFormat, pcm_bytes: int) -> bytes:
    """Return the 80 bytes in front of ``pcm_bytes`` of audio."""
    if container(pcm_bytes) == "RIFF":
        head = struct.pack("<4sI4s", b"RIFF", _riff_bytes(pcm_bytes), b"WAVE")
        reserved = struct.pack("<4sI28x", b"JUNK", _DS64_BYTES)
        data_bytes = pcm_bytes
    else:
        head = struct.pack("<4sI4s", b"RF64", _UINT32_MAX, b"WAVE")
        reserved = struct.pack(
            "<4sIQQQI",
            b"ds64",
            _DS64_BYTES,
            _riff_bytes(pcm_bytes),
            pcm_bytes,
            pcm_format.frames(pcm_bytes),
            0,
        )
        data_bytes = _UINT32_MAX
    fmt = struct.pack(
        "<4sIHHIIHH",
        b"fmt ",
        16,
        _WAVE_FORMAT_PCM,
        pcm_format.channels,
        pcm_format.sample_rate,
        pcm_format.bytes_per_second,
        pcm_format.frame_bytes,
        8 * SAMPLE_BYTES,
    )
    return head + reserved + fmt + struct.pack("<4sI", b"data", data_bytes)


def _riff_bytes(pcm_bytes: int) -> int:
    """Return the size in the RIFF header: the file without its first eight bytes."""
    return HEADER_BYTES - 8 + pcm_bytes
