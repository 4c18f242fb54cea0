"""The frames of a constant-rate MP3 that libmp3lame makes, and the frame in front that tells them.

Players take the length of an MP3 from an ``Info`` frame: a silent frame with the number of frames
and bytes that follow, and the samples to drop at both ends. Encoders write it last, by seeking
back. Here it comes first, because with a constant rate its numbers follow from the length of the
recording.

Source: the ``Info`` frame as LAME 3.100 writes it (``VbrTag.c``), and its number of frames and
their padding (``lame.c`` ``lame_encode_flush``, ``encoder.c``).
"""

import struct
from typing import NamedTuple

_MAX_RATE = 48_000  # of MP3
_MPEG_1_RATE = 32_000  # from this rate on a frame has two granules, below one (MPEG-2 and 2.5)
_GRANULE = 576
_ENCODER_DELAY = 576  # of LAME; a decoder adds its own
_MIN_PADDING = 576
_PADDING_BIT = 0x02  # in the third byte of a frame's header
_MONO = 3
_VERSION = b"LAME3.100"  # readers take the delay from tags of known encoders only
_CONSTANT_RATE = 1

# kbit/s of one channel, up to this sample rate.
_KBITS = {8_000: 32, 24_000: 64, _MAX_RATE: 96}


class Mp3(NamedTuple):
    """An MP3 of ``frames`` samples per channel at ``sample_rate``."""

    sample_rate: int
    channels: int
    samples: int

    @classmethod
    def of(cls, sample_rate: int, channels: int, samples: int) -> "Mp3":
        """Return the MP3 of a recording, whose rate may be above that of any MP3."""
        rate = min(sample_rate, _MAX_RATE)
        return cls(rate, channels, -(-samples * rate // sample_rate))

    @property
    def kbits(self) -> int:
        """Return the rate in kbit/s."""
        of_channel = next(kbits for rate, kbits in _KBITS.items() if self.sample_rate <= rate)
        return of_channel * self.channels

    @property
    def size_bytes(self) -> int:
        """Return the size of the file: the ``Info`` frame and the frames of the audio."""
        if not self.samples:
            return 0
        # From the second frame on, the encoder adds a byte when the fractions exceed the bytes.
        fraction = self._coefficient % self.sample_rate
        added = -(-(self._frames - 1) * fraction // self.sample_rate)
        return (1 + self._frames) * self._frame_bytes + added

    def info_frame(self, first_header: bytes) -> bytes:
        """Return the ``Info`` frame; ``first_header`` are the first 4 bytes of the audio."""
        header = bytearray(first_header)
        header[2] &= ~_PADDING_BIT
        is_mono = header[3] >> 6 == _MONO
        side_info = (17 if is_mono else 32) if self._granules == 2 else (9 if is_mono else 17)
        frames, size_bytes = self._frames, self.size_bytes
        tag = struct.pack(
            ">4sIII100sI9sBB8xBB3sBBHIH",
            b"Info",
            0xF,  # frames, bytes, table of contents and quality follow
            frames,
            size_bytes,
            bytes(position * 256 // 100 for position in range(100)),
            0,
            _VERSION,
            _CONSTANT_RATE,
            0,
            0,
            min(self.kbits, 255),
            (_ENCODER_DELAY << 12 | self._padding).to_bytes(3),
            0,
            0,
            0,
            size_bytes,
            0,
        )
        frame = bytes(header) + bytes(side_info) + tag
        frame += _crc(frame).to_bytes(2)
        return frame.ljust(self._frame_bytes, b"\0")

    @property
    def _granules(self) -> int:
        return 2 if self.sample_rate >= _MPEG_1_RATE else 1

    @property
    def _frame_samples(self) -> int:
        return self._granules * _GRANULE

    @property
    def _coefficient(self) -> int:
        """Return the bytes of a frame, times the sample rate."""
        return self._frame_samples // 8 * self.kbits * 1000

    @property
    def _frame_bytes(self) -> int:
        return self._coefficient // self.sample_rate

    @property
    def _padding(self) -> int:
        """Return the samples at the end that are not audio."""
        padding = -(self.samples + _ENCODER_DELAY) % self._frame_samples
        return padding if padding >= _MIN_PADDING else padding + self._frame_samples

    @property
    def _frames(self) -> int:
        return (_ENCODER_DELAY + self.samples + self._padding) // self._frame_samples


def _crc(data: bytes) -> int:
    """Return the CRC-16 of LAME's tag: polynomial 0x8005, reflected, from zero."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc
