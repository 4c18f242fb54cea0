"""The input formats that the service accepts, and the rates and channels of recordings."""

from typing import Literal, get_args

SampleRate = Literal[8000, 16000, 22050, 44100, 48000, 96000]
Channels = Literal[1, 2]
InputKind = Literal[
    "wav", "mp3", "flac", "aac", "pcm_s16le", "pcm_f32le", "mulaw", "alaw", "g722", "webm", "ogg",
    "mp4",
]  # fmt: skip
RawKind = Literal["pcm_s16le", "pcm_f32le", "mulaw", "alaw", "g722"]

SAMPLE_RATES: tuple[int, ...] = get_args(SampleRate)
CHANNELS: tuple[int, ...] = get_args(Channels)
INPUT_KINDS: tuple[str, ...] = get_args(InputKind)
RAW_KINDS: tuple[str, ...] = get_args(RawKind)

# For error messages: what to convert a file to that is not offered.
OFFERED_FORMATS = "WAV, FLAC, MP3, AAC, Ogg, WebM or MP4"
OFFERED_CODECS = "PCM, FLAC, MP3, AAC, ALAC, Opus or Vorbis"


class DecodeError(Exception):
    """The input cannot be decoded; the text names the cause and the remedy.

    ``code`` is that of the session's warning (`docs/protocol.md` lists all).
    """

    def __init__(self, text: str, code: str = "decode_failed") -> None:
        super().__init__(text)
        self.code = code


class DecoderLostError(Exception):
    """ffmpeg was killed, crashed or hung. The input need not be the cause: decoding is retried."""
