"""Segments: a few seconds of a recording, each a WAV file that anything plays.

A bucket cannot be appended to, so audio becomes persistent there one segment at a
time. `pydub <https://github.com/jiaaro/pydub>`_ writes and reads them: 44 bytes of
header (RIFF, PCM, 16 bits), then the samples.
"""

import io
import struct
import warnings

import msgspec

from storage.pcm import SAMPLE_BYTES, PcmFormat

with warnings.catch_warnings():
    # It warns of a deprecated module in the standard library (up to Python 3.12), and where
    # there is no ffmpeg on the PATH, which WAV does not need.
    warnings.simplefilter("ignore")
    from pydub import AudioSegment
    from pydub.exceptions import PydubException

SEGMENT_HEADER_BYTES = 44


class SegmentError(Exception):
    """The bytes are not a segment, or only a part of one."""


class Segment(msgspec.Struct, frozen=True):
    """A segment. ``pcm`` is whole frames of ``pcm_format``, or empty."""

    pcm_format: PcmFormat
    pcm: bytes

    @property
    def frames(self) -> int:
        return self.pcm_format.frames(len(self.pcm))

    @property
    def seconds(self) -> float:
        return self.pcm_format.seconds(len(self.pcm))

    def encode(self) -> bytes:
        """Return the segment as a WAV file."""
        audio = AudioSegment(
            data=self.pcm,
            sample_width=SAMPLE_BYTES,
            frame_rate=self.pcm_format.sample_rate,
            channels=self.pcm_format.channels,
        )
        file = io.BytesIO()
        audio.export(file, format="wav")
        return file.getvalue()

    @classmethod
    def decode(cls, data: bytes) -> "Segment":
        """Decode what :meth:`encode` made. Raises :class:`SegmentError` for anything else."""
        try:
            audio = AudioSegment(data=data)
            segment = cls(PcmFormat(audio.frame_rate, audio.channels), audio.raw_data)
            # pydub makes do with audio that is cut short, and with other sample sizes.
            is_whole = audio.sample_width == SAMPLE_BYTES and segment.encode() == data
        except (PydubException, ValueError, struct.error) as error:
            raise SegmentError(f"not a segment: {error}") from error
        if not is_whole:
            raise SegmentError(f"{len(data)} bytes of WAV, but no whole segment")
        return segment
