"""The framer of PCM: wraps it in Matroska, so that ffmpeg decodes every frame at once.

ffmpeg's demuxers for WAV and raw samples read packets of 20 to 85 ms, so the end of each chunk
would wait for the next chunk; the WAV demuxer also delays the first 64 KiB, in which it searches
for S/PDIF. ffmpeg reads one Matroska block (RFC 9559) as one packet of any size.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from api.audio.pcm import PcmFramer
from storage.pcm import Buffer

_UNKNOWN_SIZE = b"\x01" + b"\xff" * 7
_INTEGER, _FLOAT, _ACM = b"A_PCM/INT/LIT", b"A_PCM/FLOAT/IEEE", b"A_MS/ACM"


class _Codec(NamedTuple):
    name: bytes
    sample_bits: int
    format_tag: int = 0  # of a WAVEFORMATEX header, for the codecs that Matroska maps to ACM
    frames: int = 1  # in the bytes of one sample


# By ffmpeg's names of the sample formats.
_CODECS = {
    "u8": _Codec(_INTEGER, 8),
    "s16le": _Codec(_INTEGER, 16),
    "s24le": _Codec(_INTEGER, 24),
    "s32le": _Codec(_INTEGER, 32),
    "f32le": _Codec(_FLOAT, 32),
    "f64le": _Codec(_FLOAT, 64),
    "alaw": _Codec(_ACM, 8, 6),
    "mulaw": _Codec(_ACM, 8, 7),
    "g722": _Codec(_ACM, 8, 0x028F, frames=2),
}


class BarePcmFramer:
    """Implements `api.audio.framing.framer.Framer` for raw samples, or a WAV without its header."""

    skipped_bytes = 0

    def __init__(
        self, samples: str, sample_rate: int, channels: int, data_bytes: int | None
    ) -> None:
        codec = _CODECS[samples]
        self._frame_bytes = channels * codec.sample_bits // 8
        self._frames, self._frames_each = 0, codec.frames
        self._pcm = PcmFramer(self._frame_bytes, data_bytes)
        self._header = _header(codec, sample_rate, channels)

    @property
    def finds_files(self) -> bool:
        return not self._pcm.is_endless

    @property
    def next_file(self) -> bytes | None:
        return self._pcm.next_file

    def restart(self) -> None:
        """Return None: without its beginning it cannot be decoded."""

    @property
    def unframed(self) -> bytes:
        return self._pcm.undecided

    def feed(self, data: Buffer) -> Iterator[Buffer]:
        pcm = self._pcm.feed(data)
        if not pcm:
            return
        timestamp = _element(0xE7, self._frames.to_bytes(8, "big"))
        self._frames += len(pcm) // self._frame_bytes * self._frames_each
        # Track 1, timestamp of the cluster, keyframe, no lacing (RFC 9559, section 10.2).
        block = _element(0xA3, b"\x81\x00\x00\x80" + pcm)
        header, self._header = self._header, b""
        yield header + _element(0x1F43B675, timestamp + block)

    def cut(self) -> None:
        """Do nothing: every whole sample was passed on."""

    def finish(self) -> Iterator[Buffer]:
        """Yield the header if there was no audio, else nothing; drop an incomplete frame.

        With the header alone, ffmpeg reports that there is no audio.
        """
        header, self._header = self._header, b""
        yield header


def _header(codec: _Codec, sample_rate: int, channels: int) -> bytes:
    # One tick per frame, rounded up: ffmpeg reports an error if the blocks overlap.
    tick_nanoseconds = -(-1_000_000_000 // sample_rate)
    audio = (
        _element(0xB5, struct.pack(">d", sample_rate))
        + _element(0x9F, bytes([channels]))
        + _element(0x6264, bytes([codec.sample_bits]))
    )
    private = b""
    if codec.format_tag:
        fmt = (channels, sample_rate, sample_rate * channels, channels, codec.sample_bits, 0)
        private = _element(0x63A2, struct.pack("<HHIIHHH", codec.format_tag, *fmt))
    track = (
        _element(0xD7, b"\x01")
        + _element(0x73C5, b"\x01")
        + _element(0x83, b"\x02")
        + _element(0x86, codec.name)
        + private
        + _element(0xE1, audio)
    )
    return (
        _element(0x1A45DFA3, _element(0x4282, b"matroska"))
        + b"\x18\x53\x80\x67"
        + _UNKNOWN_SIZE
        + _element(0x1549A966, _element(0x2AD7B1, tick_nanoseconds.to_bytes(4, "big")))
        + _element(0x1654AE6B, _element(0xAE, track))
    )


def _element(element_id: int, body: Buffer) -> bytes:
    """Return an EBML element with a size field of eight bytes (RFC 8794)."""
    name = element_id.to_bytes((element_id.bit_length() + 7) // 8, "big")
    return name + (1 << 56 | len(body)).to_bytes(8, "big") + body
