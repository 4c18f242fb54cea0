"""The ffmpeg program of this machine and its command line.

The command line limits what a hostile file can make ffmpeg open: one demuxer, the listed decoders,
its pipes. `api.audio.ffmpeg.sandbox` limits the resources of the process.
"""

import functools
import shutil

import imageio_ffmpeg

from api.audio.ffmpeg.sandbox import Sandbox, available
from storage.pcm import PcmFormat

# The decoders of the codecs in docs/protocol.md. Some codecs have two decoders, because builds of
# ffmpeg differ in which one they contain.
_DECODERS = (
    "aac", "alac", "flac", "libopus", "libvorbis", "opus", "vorbis",
    "mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3float",
    "g722", "adpcm_ima_wav", "adpcm_ms", "pcm_alaw", "pcm_mulaw", "pcm_f32le", "pcm_f64le",
    "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_u8",
)  # fmt: skip


@functools.cache
def binary() -> str:
    """Return the path of ffmpeg: the one on the PATH, else that of ``imageio-ffmpeg``.

    Raises ``RuntimeError`` if there is neither.
    """
    if found := shutil.which("ffmpeg"):
        return found
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise RuntimeError(
            "no ffmpeg: install one on the PATH, or the package imageio-ffmpeg for this platform"
        ) from error


@functools.cache
def sandbox() -> Sandbox:
    """Return the sandbox of ffmpeg. The first call blocks while it tests the platform."""
    return available(binary())


def arguments(demuxer: str, pcm_format: PcmFormat, loglevel: str) -> tuple[str, ...]:
    """Return ffmpeg's arguments for a live decode from stdin to stdout.

    ``-fflags nobuffer`` and ``-avioflags direct`` would lose audio: the first drops what was read
    while probing, the second fails on short reads from a pipe.

    The list of decoders refuses video tracks and cover pictures. Without it ffmpeg would decode
    them while it probes, even if they are not mapped; ``-vn`` takes effect after that.
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
