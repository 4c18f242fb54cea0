"""The ffmpeg of this machine, and the bounds within which its processes run.

Each process is tied to the life of the service: whatever ends the service, ``kill -9``
included, ends its decoders with it. What a hostile file can make one open is listed here,
what it can take is bounded in `api.audio.ffmpeg.sandbox`. How many start at the same time is
bounded too, because starting costs more than decoding.
"""

import functools
import shutil

import imageio_ffmpeg

from api.audio.ffmpeg.sandbox import Sandbox, available
from storage.pcm import PcmFormat

# Those of the codecs in docs/protocol.md. Where there are two for one, builds differ in which.
_DECODERS = (
    "aac", "alac", "flac", "libopus", "libvorbis", "opus", "vorbis",
    "mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3float",
    "adpcm_ima_wav", "adpcm_ms", "pcm_alaw", "pcm_mulaw", "pcm_f32le", "pcm_f64le",
    "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_u8",
)  # fmt: skip


@functools.cache
def binary() -> str:
    """The system's ffmpeg, else the one that came with ``imageio-ffmpeg``."""
    return shutil.which("ffmpeg") or str(imageio_ffmpeg.get_ffmpeg_exe())


@functools.cache
def sandbox() -> Sandbox:
    """What stands in front of its command. Blocks the first time."""
    return available(binary())


def arguments(demuxer: str, pcm_format: PcmFormat, loglevel: str) -> tuple[str, ...]:
    """Ffmpeg's command line for a live decode from stdin to stdout.

    ``-fflags nobuffer`` and ``-avioflags direct`` look tempting here and lose audio: the
    first drops what was read while probing, the second breaks on short reads from a pipe.

    A film's pictures and a song's cover are refused by the list of decoders. Without it ffmpeg
    would open them while it probes, mapped or not; ``-vn`` comes too late for that.
    """
    return (
        "-hide_banner", "-nostdin", "-nostats", "-loglevel", f"level+{loglevel}",
        "-probesize", "32", "-analyzeduration", "0",
        "-protocol_whitelist", "pipe,fd", "-format_whitelist", demuxer,
        "-codec_whitelist", ",".join(_DECODERS), "-threads", "1", "-filter_threads", "1",
        "-f", demuxer, "-i", "pipe:0",
        "-map", "0:a:0", "-f", "s16le",
        "-ar", str(pcm_format.sample_rate), "-ac", str(pcm_format.channels),
        "-flush_packets", "1", "-threads", "1", "pipe:1",
    )  # fmt: skip
