"""Reading WAV as it comes in: RIFF, RF64 and BW64, cut at any byte.

What is read and what is skipped follows ffmpeg's WAV demuxer on a pipe, so that audio
that passes through here is the audio that ffmpeg would have decoded: sizes of 0 and
0xFFFFFFFF mean "to the end", chunks after ``data`` are skipped, a second ``data`` chunk
is more audio.
"""

import struct

import msgspec

from api.audio.formats import DecodeError

_FORMAT_BYTES = 40  # the longest format chunk there is, WAVEFORMATEXTENSIBLE
_UINT32_MAX = 0xFFFFFFFF
_PCM, _FLOAT, _ALAW, _MULAW = 0x0001, 0x0003, 0x0006, 0x0007
_EXTENSIBLE = 0xFFFE
# KSDATAFORMAT_SUBTYPE_…: the format tag in front of a fixed GUID.
_SUBFORMAT = bytes.fromhex("00000000001000800000aa00389b71")
_USUAL_RATES = range(1000, 1_000_000)
# Which speakers one channel, or two, are meant for when nothing is said.
_USUAL_SPEAKERS = {(1, 0), (1, 0x4), (2, 0), (2, 0x3)}

# What ffmpeg calls the samples, by format tag and bits.
_SAMPLES = {
    (_PCM, 8): "u8", (_PCM, 16): "s16le", (_PCM, 24): "s24le", (_PCM, 32): "s32le",
    (_FLOAT, 32): "f32le", (_FLOAT, 64): "f64le", (_ALAW, 8): "alaw", (_MULAW, 8): "mulaw",
}  # fmt: skip


class WavHeader(msgspec.Struct, frozen=True):
    """What stands before the audio. ``data_bytes`` is None where the audio ends with the stream."""

    format_tag: int
    channels: int
    sample_rate: int
    block_bytes: int
    sample_bits: int
    data_offset: int
    data_bytes: int | None

    @property
    def samples(self) -> str | None:
        """The name of ffmpeg's demuxer for the bare samples; None where they need the header."""
        is_usual = self.channels <= 2 and self.sample_rate in _USUAL_RATES
        if not is_usual or self.block_bytes * 8 != self.channels * self.sample_bits:
            return None
        return _SAMPLES.get((self.format_tag, self.sample_bits))


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
    if tag == _EXTENSIBLE and body[25:40] == _SUBFORMAT:
        valid_bits, speakers = struct.unpack_from("<HI", body, 18)
        if (channels, speakers) in _USUAL_SPEAKERS and valid_bits in {0, sample_bits}:
            tag = body[24]
    return tag, channels, sample_rate, block_bytes, sample_bits
