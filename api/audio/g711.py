"""G.711: 8-bit µ-law and A-law to signed 16-bit PCM, little endian (ITU-T G.711)."""

from typing import Literal


def _mulaw(code: int) -> int:
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84) << (code >> 4 & 0x07)
    return 0x84 - magnitude if code & 0x80 else magnitude - 0x84


def _alaw(code: int) -> int:
    code ^= 0x55
    segment, step = code >> 4 & 0x07, (code & 0x0F) << 4
    magnitude = step + 8 if segment == 0 else (step + 0x108) << (segment - 1)
    return magnitude if code & 0x80 else -magnitude


def _tables(samples: list[int]) -> tuple[bytes, bytes]:
    """Return the lower and the upper bytes of the samples, as tables for `bytes.translate`."""
    return bytes(each & 0xFF for each in samples), bytes(each >> 8 & 0xFF for each in samples)


_TABLES = {
    "mulaw": _tables([_mulaw(code) for code in range(256)]),
    "alaw": _tables([_alaw(code) for code in range(256)]),
}


def decode(law: Literal["mulaw", "alaw"], codes: bytes) -> bytearray:
    """Return the PCM of ``codes``, two bytes for each."""
    lower, upper = _TABLES[law]
    pcm = bytearray(2 * len(codes))
    pcm[::2] = codes.translate(lower)
    pcm[1::2] = codes.translate(upper)
    return pcm
