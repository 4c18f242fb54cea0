"""The choice of the decoder: PCM with matching parameters passes through, else ffmpeg decodes."""

from typing import Literal, NamedTuple

from api.audio import refused
from api.audio.detection import detect, find_start
from api.audio.formats import OFFERED_FORMATS, RAW_KINDS, DecodeError, InputKind
from api.audio.wav_header import WavHeader, parse_header
from storage.pcm import PcmFormat

# ffmpeg reads a longer WAV header, for example one with a picture in an ID3 chunk.
_MAX_WAV_HEADER_BYTES = 256 * 1024

# More bytes than any check of a signature needs.
_MAX_SIGNATURE_BYTES = 8 * 1024

# A container that begins after more bytes of junk than this is an error.
_MAX_JUNK_BYTES = 64 * 1024

# ffmpeg's names of the input kinds for which it uses another name.
_RAW_SAMPLES = {"pcm_f32le": "f32le", "mulaw": "mulaw", "alaw": "alaw", "g722": "g722"}
_DEMUXERS = {"webm": "matroska"}

_G722 = PcmFormat(16000, 1)  # its only rate, and it has one channel

Way = Literal["passthrough", "ffmpeg"]


class Choice(NamedTuple):
    """How a stream is decoded, starting at byte ``offset`` of its head.

    ``samples`` is ffmpeg's name of the sample format if ffmpeg gets PCM without its container;
    ``found`` is then the format of that PCM. If ``samples`` is empty, ffmpeg reads the container
    ``kind``. ``data_bytes`` is the length of the audio in a WAV, with its header if ffmpeg reads
    that; None: to the end of the stream.
    """

    way: Way
    kind: InputKind
    offset: int = 0
    samples: str = ""
    found: PcmFormat | None = None
    data_bytes: int | None = None

    @property
    def demuxer(self) -> str:
        """Return the name of ffmpeg's demuxer for what the framer passes on."""
        return "matroska" if self.samples else _DEMUXERS.get(self.kind, self.kind)


def choose(
    head: bytes | bytearray, declared: InputKind, pcm_format: PcmFormat, *, at_end: bool = False
) -> Choice | None:
    """Return how to decode the stream that begins with ``head``; None if it needs more bytes.

    Raises :class:`api.audio.formats.DecodeError` for a file of a format that is not offered, and
    for a WAV that has no audio. With ``pcm_s16le`` no format is refused.
    """
    if declared != "pcm_s16le" and not _is_offered(head, at_end=at_end):
        return None
    kind = detect(head, declared, at_end=at_end)
    if kind is None:
        return None
    if kind == "pcm_s16le":
        return Choice("passthrough", kind)
    if kind in RAW_KINDS:
        found = _G722 if kind == "g722" else pcm_format
        return Choice("ffmpeg", kind, samples=_RAW_SAMPLES[kind], found=found)
    if kind == "wav" and len(head) <= _MAX_WAV_HEADER_BYTES:
        header = parse_header(head)
        if header is None and not at_end:
            return None
        if header is not None:
            return _choose_wav(header, pcm_format)
    start = find_start(head, kind)
    if start < 0 and len(head) < _MAX_JUNK_BYTES and not at_end:
        return None
    return Choice("ffmpeg", kind, max(0, start))


def _choose_wav(header: WavHeader, pcm_format: PcmFormat) -> Choice:
    if header.samples is None:
        size = header.data_bytes
        with_header = None if size is None else header.data_offset + size
        return Choice("ffmpeg", "wav", data_bytes=with_header)
    found = PcmFormat(header.sample_rate, header.channels)
    fits = header.samples == "s16le" and found == pcm_format
    way: Way = "passthrough" if fits else "ffmpeg"
    return Choice(way, "wav", header.data_offset, header.samples, found, header.data_bytes)


def _is_offered(head: bytes | bytearray, *, at_end: bool) -> bool:
    """Return whether ``head`` is long enough to see that it is no file of a refused format.

    Raises `DecodeError` if it is one.
    """
    start = bytes(head[:_MAX_SIGNATURE_BYTES])
    if (name := refused.find(start)) is not None:
        text = f"{name} is not offered: convert it to {OFFERED_FORMATS}"
        raise DecodeError(text, "unsupported_format")
    return at_end or not refused.may_be_refused(start)
