"""Speech in every format, cut into chunks as a live encoder sends them.

A chunk ends with a packet, a page, a cluster or a fragment. So its last codec frame is complete,
and the delay until that frame is recorded comes from the service and the format, not from the cut.
"""

import functools
import struct
import subprocess
from collections.abc import Callable, Iterator
from typing import NamedTuple

from api.audio.ffmpeg.command import binary
from tests.audio import decode, encode, speech, wav

FindCuts = Callable[[bytes], list[int]]  # returns where chunks end, in bytes

_SPEECH_RATE = 22050
_CHUNK_SECONDS = 0.1
_CLUSTER = bytes.fromhex("1f43b675")


class StreamFormat(NamedTuple):
    """One format: how to encode it, the length of a codec frame, and how to cut it."""

    name: str
    demuxer: str
    sample_rate: int
    frame_seconds: float
    encoder_options: tuple[str, ...]
    find_cuts: FindCuts
    latency_note: str  # the delay that the structure of the format causes
    declared_format: str = "wav"  # the session's ``format``

    @property
    def query(self) -> str:
        return f"sample_rate={self.sample_rate}&channels=1&format={self.declared_format}"

    def encode(self, seconds: float, *, variant: int = 0) -> bytes:
        """Return an encoded stream. Each ``variant`` begins elsewhere in the speech."""
        source = _repeated_speech(seconds, variant)
        rate = ("-ar", str(self.sample_rate), "-ac", "1")
        return encode(source, *rate, *self.encoder_options)

    def decode(self, stream: bytes) -> bytes:
        """Return the reference: one ffmpeg decode of the whole stream, read from a pipe."""
        return decode(stream, sample_rate=self.sample_rate, input_options=self.input_options)

    @property
    def input_options(self) -> tuple[str, ...]:
        """The options of ffmpeg for a stream that does not describe itself."""
        raw = ("-ar", str(self.sample_rate), "-ac", "1") if self.is_raw else ()
        return ("-f", self.demuxer, *raw)

    @property
    def is_raw(self) -> bool:
        return self.demuxer in {"mulaw", "s16le"}

    def cut_live(self, stream: bytes) -> list[bytes]:
        """Cut ``stream`` into chunks as a live encoder would send them."""
        ends = self.find_cuts(stream)
        return [stream[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def cuts_at_packets(demuxer: str, packets: int) -> FindCuts:
    """Cut after every ``packets`` packets of a stream of a header and packets."""

    def cut(stream: bytes) -> list[int]:
        sizes = _read_packet_sizes(stream, demuxer)
        end, ends = len(stream) - sum(sizes), []
        for number, size in enumerate(sizes, start=1):
            end += size
            if number % packets == 0 or number == len(sizes):
                ends.append(end)
        return ends

    return cut


def cuts_at_pages(stream: bytes) -> list[int]:
    """Cut after every Ogg page (RFC 3533, section 6); the headers go with the first audio."""
    end, ends = 0, []
    while end < len(stream):
        (granule,) = struct.unpack_from("<q", stream, end + 6)
        segments = stream[end + 26]
        end += 27 + segments + sum(stream[end + 27 : end + 27 + segments])
        if granule > 0:
            ends.append(end)
    return ends


def cuts_at_clusters(stream: bytes) -> list[int]:
    """Cut before every WebM cluster but the first, and at the end."""
    first = stream.index(_CLUSTER)
    return [*_find_all(stream, _CLUSTER, first + 4), len(stream)]


def cuts_at_fragments(stream: bytes) -> list[int]:
    """Cut before every ``moof`` but the first, and at the end, which is an index."""
    starts, position = [], 0
    while position < len(stream):
        size, kind = struct.unpack_from(">I4s", stream, position)
        if kind == b"moof":
            starts.append(position)
        position += size
    return [*starts[1:], len(stream)]


def cuts_at_bytes(bytes_per_second: int, *, header: bytes = b"") -> FindCuts:
    """Cut at every tenth of a second of a constant rate, after ``header`` and its size field."""

    def cut(stream: bytes) -> list[int]:
        start = stream.index(header) + len(header) + 4 if header else 0
        step = int(bytes_per_second * _CHUNK_SECONDS)
        return [*range(start + step, len(stream), step), len(stream)]

    return cut


def wav_of(codec: str, sample_bytes: int, sample_rate: int) -> tuple[tuple[str, ...], FindCuts]:
    return ("-c:a", codec, "-f", "wav"), cuts_at_bytes(sample_bytes * sample_rate, header=b"data")


_WEBM = ("-c:a", "libopus", "-b:a", "48k", "-frame_duration", "60", "-f", "webm", "-live", "1")
_MP4 = ("-movflags", "frag_keyframe+empty_moov+default_base_moof", "-frag_duration", "100000")
_MP3 = ("-c:a", "libmp3lame", "-b:a", "128k", "-write_xing", "0", "-id3v2_version", "0")
_AAC_FRAME = 1024 / 48000
_NO_LATENCY = "nothing"

STREAM_FORMATS: tuple[StreamFormat, ...] = (
    StreamFormat(
        "MP3", "mp3", 48000, 1152 / 48000, (*_MP3, "-f", "mp3"), cuts_at_packets("mp3", 4),
        "nothing: a frame states its length; but ffmpeg reads blocks of 1,024 bytes",
    ),
    StreamFormat(
        "FLAC", "flac", 48000, 4608 / 48000, ("-c:a", "flac", "-f", "flac"),
        cuts_at_packets("flac", 1),
        "a frame does not state its length: it ends where the next begins;"
        " ffmpeg's parser needs ten headers in a row",
    ),
    StreamFormat(
        "Ogg Opus", "ogg", 48000, 0.02,
        ("-c:a", "libopus", "-page_duration", "100000", "-f", "ogg"), cuts_at_pages,
        "a page (100 ms here; 1 s is common) before it is sent",
    ),
    StreamFormat(
        "Ogg Vorbis", "ogg", 48000, 1024 / 48000,
        ("-c:a", "libvorbis", "-page_duration", "100000", "-f", "ogg"), cuts_at_pages,
        "a page (100 ms here) before it is sent",
    ),
    StreamFormat(
        "WebM Opus", "matroska", 48000, 0.06,
        (*_WEBM, "-cluster_time_limit", "100"), cuts_at_clusters, "a cluster before it is sent",
    ),
    StreamFormat(
        "AAC in ADTS", "aac", 48000, _AAC_FRAME, ("-c:a", "aac", "-f", "adts"),
        cuts_at_packets("aac", 5), _NO_LATENCY,
    ),
    StreamFormat(
        "AAC in fragmented MP4", "mp4", 48000, _AAC_FRAME, ("-c:a", "aac", *_MP4, "-f", "mp4"),
        cuts_at_fragments, "a fragment (100 ms here; 1 s is common) before it is sent",
    ),
    StreamFormat("WAV 24 bits, 48 kHz", "wav", 48000, 1 / 48000,
             *wav_of("pcm_s24le", 3, 48000), _NO_LATENCY),
    StreamFormat("WAV 24 bits, 8 kHz", "wav", 8000, 1 / 8000,
             *wav_of("pcm_s24le", 3, 8000), _NO_LATENCY),
    StreamFormat("WAV floats, 48 kHz", "wav", 48000, 1 / 48000,
             *wav_of("pcm_f32le", 4, 48000), _NO_LATENCY),
    StreamFormat("mu-law, raw, 8 kHz", "mulaw", 8000, 1 / 8000,
             ("-c:a", "pcm_mulaw", "-f", "mulaw"), cuts_at_bytes(8000), _NO_LATENCY, "mulaw"),
    StreamFormat("PCM 16 bits, raw, 48 kHz", "s16le", 48000, 1 / 48000,
             ("-c:a", "pcm_s16le", "-f", "s16le"), cuts_at_bytes(96000), _NO_LATENCY, "pcm_s16le"),
)  # fmt: skip

WEBM = next(stream_format for stream_format in STREAM_FORMATS if stream_format.name == "WebM Opus")


def cluster_milliseconds(stream: bytes) -> list[tuple[int, int]]:
    """Return the offset and the time of every cluster (RFC 9559, section 5.1.3.1)."""
    clusters = []
    for position in _find_all(stream, _CLUSTER, 0):
        size_bytes = 9 - stream[position + 4].bit_length()
        timestamp = position + 4 + size_bytes
        assert stream[timestamp] == 0xE7
        value_bytes = stream[timestamp + 1] & 0x7F
        value = stream[timestamp + 2 : timestamp + 2 + value_bytes]
        clusters.append((position, int.from_bytes(value)))
    return clusters


def _find_all(stream: bytes, pattern: bytes, start: int) -> Iterator[int]:
    while (start := stream.find(pattern, start)) >= 0:
        yield start
        start += 1


@functools.cache
def _repeated_speech(seconds: float, variant: int) -> bytes:
    samples = speech()[44:]
    offset = variant * 2 * 4111 % len(samples)
    size_bytes = 2 * int(seconds * _SPEECH_RATE)
    repeated = samples * (2 + (size_bytes + offset) // len(samples))
    return wav(repeated[offset : offset + size_bytes], sample_rate=_SPEECH_RATE)


def _read_packet_sizes(stream: bytes, demuxer: str) -> list[int]:
    command = [binary(), "-loglevel", "error", "-f", demuxer, "-i", "pipe:0", "-c", "copy"]
    lines = subprocess.run(
        [*command, "-f", "framecrc", "pipe:1"], input=stream, stdout=subprocess.PIPE, check=True
    ).stdout.decode()
    return [int(line.split(",")[4]) for line in lines.splitlines() if not line.startswith("#")]
