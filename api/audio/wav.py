"""Reading WAV as it comes in: RIFF, RF64 and BW64, cut at any byte.

What is read and what is skipped follows ffmpeg's WAV demuxer on a pipe, so that audio
that passes through here is the audio that ffmpeg would have decoded: sizes of 0 and
0xFFFFFFFF mean "to the end", chunks after ``data`` are skipped, a second ``data`` chunk
is more audio.
"""

import struct

import msgspec

from api.errors import DecodeError

_FORMAT_BYTES = 40  # the longest format chunk there is, WAVEFORMATEXTENSIBLE
_UINT32_MAX = 0xFFFFFFFF
_PCM = 0x0001
_EXTENSIBLE = 0xFFFE
# KSDATAFORMAT_SUBTYPE_PCM: the format tag in front of a fixed GUID.
_PCM_SUBFORMAT = bytes.fromhex("0100000000001000800000aa00389b71")


class WavHeader(msgspec.Struct, frozen=True):
    """What stands before the audio. ``data_bytes`` is None where the audio ends with the stream."""

    format_tag: int
    channels: int
    sample_rate: int
    block_bytes: int
    sample_bits: int
    data_offset: int
    data_bytes: int | None

    def is_pcm16(self, sample_rate: int, channels: int) -> bool:
        """Whether the audio is 16-bit PCM of just this rate and channel count."""
        return (
            self.format_tag == _PCM
            and self.sample_bits == 16
            and self.block_bytes == 2 * self.channels
            and (self.sample_rate, self.channels) == (sample_rate, channels)
        )


def parse_header(head: bytes | bytearray) -> WavHeader | None:
    """The header at the start of ``head``, or None while more bytes are needed.

    Raises :class:`DecodeError` where no audio can follow. `detect` has seen the first 12 bytes.
    """
    offset, ds64_data_bytes, fmt = 12, None, None
    while len(head) >= offset + 8:
        tag, size = struct.unpack_from("<4sI", head, offset)
        offset += 8
        body = bytes(head[offset : offset + min(size, _FORMAT_BYTES)])
        if tag == b"data":
            if fmt is None:
                raise DecodeError("WAV: no format before the audio")
            data_bytes = size if ds64_data_bytes is None else ds64_data_bytes
            return WavHeader(
                *fmt, offset, None if data_bytes in {0, _UINT32_MAX, 2**64 - 1} else data_bytes
            )
        if len(body) < min(size, _FORMAT_BYTES):
            return None
        if tag == b"fmt ":
            fmt = _parse_format(body)
        elif tag == b"ds64" and size >= 16 and head[:4] != b"RIFF":
            ds64_data_bytes = struct.unpack_from("<Q", body, 8)[0]
        offset += size + size % 2
    return None


def _parse_format(body: bytes) -> tuple[int, int, int, int, int]:
    if len(body) < 14:
        raise DecodeError(f"WAV: a format chunk of {len(body)} bytes")
    tag, channels, sample_rate, _, block_bytes = struct.unpack_from("<HHIIH", body)
    sample_bits = struct.unpack_from("<H", body, 14)[0] if len(body) >= 16 else 8
    if not channels or not sample_rate:
        raise DecodeError(f"WAV: {channels} channels at {sample_rate} Hz")
    if tag == _EXTENSIBLE and body[24:40] == _PCM_SUBFORMAT:
        tag = _PCM
    return tag, channels, sample_rate, block_bytes, sample_bits
