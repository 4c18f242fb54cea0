"""Which framer is in front of ffmpeg."""

from collections.abc import Callable

from api.audio.choice import Choice
from api.audio.formats import InputKind
from api.audio.framing.adts import AdtsFramer
from api.audio.framing.bare_pcm import BarePcmFramer
from api.audio.framing.flac import FlacFramer
from api.audio.framing.framer import Framer
from api.audio.framing.mp4 import Mp4Framer
from api.audio.framing.mpeg import MpegFramer
from api.audio.framing.ogg import OggFramer
from api.audio.framing.wav import WavFramer
from api.audio.framing.webm import WebmFramer

_FRAMERS: dict[InputKind, Callable[[], Framer]] = {
    "aac": AdtsFramer,
    "flac": FlacFramer,
    "mp3": MpegFramer,
    "mp4": Mp4Framer,
    "ogg": OggFramer,
    "webm": WebmFramer,
}


def framer_of(choice: Choice) -> Framer | None:
    """Return a new framer; None for a WAV whose end is not known."""
    if choice.found is not None:
        found = choice.found
        return BarePcmFramer(choice.samples, found.sample_rate, found.channels, choice.data_bytes)
    if choice.data_bytes is not None:
        return WavFramer(choice.data_bytes)
    return _FRAMERS[choice.kind]() if choice.kind in _FRAMERS else None
