"""WAV headers of a stream: RIFF, RF64 and BW64, cut at any byte.

The parser follows ffmpeg's WAV demuxer on a pipe, so that audio that passes through is equal to
what ffmpeg would decode: the sizes 0 and 0xFFFFFFFF mean "to the end of the stream", other chunks
after ``data`` are skipped, a further ``data`` chunk is more audio. Formats: Microsoft "Multimedia
Programming Interface and Data Specifications 1.0", EBU Tech 3306 (RF64), ITU-R BS.2088 (BW64).
"""

import struct

import msgspec

from api.audio.formats import DecodeError

_FORMAT_BYTES = 40  # of WAVEFORMATEXTENSIBLE, the longest format chunk
_MAX_CHUNKS = 1000
_UINT32_MAX = 0xFFFFFFFF
_PCM, _FLOAT, _ALAW, _MULAW = 0x0001, 0x0003, 0x0006, 0x0007
_EXTENSIBLE = 0xFFFE
_USUAL_RATES = range(1000, 1_000_000)
# The GUID of a subformat begins with a format tag. The rest is 0000-0010-8000-00AA00389B71
# (KSDATAFORMAT_SUBTYPE_…), that of ambisonics, or whatever the maker thought fit.
_SUBFORMAT_TAG = slice(24, 28)
# The speaker masks (channels, mask) that mean plain mono or stereo.
_USUAL_SPEAKERS = {(1, 0), (1, 0x4), (2, 0), (2, 0x3)}

# ffmpeg's names of the sample formats, by format tag and bits.
_SAMPLES = {
    (_PCM, 8): "u8", (_PCM, 16): "s16le", (_PCM, 24): "s24le", (_PCM, 32): "s32le",
    (_FLOAT, 32): "f32le", (_FLOAT, 64): "f64le", (_ALAW, 8): "alaw", (_MULAW, 8): "mulaw",
}  # fmt: skip


class WavHeader(msgspec.Struct, frozen=True):
    """The header of a WAV. ``data_bytes`` is None if the audio extends to the end of the stream."""

    format_tag: int
    channels: int
    sample_rate: int
    block_bytes: int
    sample_bits: int
    data_offset: int
    data_bytes: int | None

    @property
    def samples(self) -> str | None:
        """Return ffmpeg's name of the sample format; None if ffmpeg must read the header itself."""
        is_usual = self.channels <= 2 and self.sample_rate in _USUAL_RATES
        container_bytes, rest = divmod(self.block_bytes, self.channels)
        if not is_usual or rest or not 0 < self.sample_bits <= container_bytes * 8:
            return None
        # Samples with fewer valid bits than their container are its most significant bits.
        if self.format_tag != _PCM and self.sample_bits != container_bytes * 8:
            return None
        return _SAMPLES.get((self.format_tag, container_bytes * 8))


def parse_header(head: bytes | bytearray) -> WavHeader | None:
    """Return the header at the start of ``head``; None if it needs more bytes.

    Raises :class:`DecodeError` if the header is not valid. The caller has checked the first 12
    bytes with `detect`.
    """
    offset, ds64_data_bytes, fmt, chunks = 12, None, None, 0
    while len(head) >= offset + 8:
        chunks += 1
        if chunks > _MAX_CHUNKS:
            raise DecodeError(f"WAV: more than {_MAX_CHUNKS} chunks before the audio")
        tag, size = struct.unpack_from("<4sI", head, offset)
        offset += 8
        body = bytes(head[offset : offset + min(size, _FORMAT_BYTES)])
        if tag == b"data":
            if fmt is None:
                raise DecodeError("WAV: no fmt chunk before the data chunk")
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
        raise DecodeError(f"WAV: the fmt chunk has {len(body)} bytes, expected at least 14")
    tag, channels, sample_rate, _, block_bytes = struct.unpack_from("<HHIIH", body)
    sample_bits = struct.unpack_from("<H", body, 14)[0] if len(body) >= 16 else 8
    if not channels or not sample_rate:
        raise DecodeError(f"WAV: {channels} channels at {sample_rate} Hz are not valid")
    if tag == _EXTENSIBLE and len(body) == _FORMAT_BYTES:
        (speakers,) = struct.unpack_from("<I", body, 20)
        if (channels, speakers) in _USUAL_SPEAKERS:
            tag = int.from_bytes(body[_SUBFORMAT_TAG], "little")
    return tag, channels, sample_rate, block_bytes, sample_bits
