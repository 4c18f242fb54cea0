"""The framer fits what ffmpeg reads."""

import pytest

from api.audio.choice import choose
from api.audio.formats import InputKind
from api.audio.framers import framer_of
from api.audio.framing.bare_pcm import BarePcmFramer
from api.audio.framing.flac import FlacFramer
from api.audio.framing.mpeg import MpegFramer
from api.audio.framing.wav import WavFramer
from storage.pcm import PcmFormat
from tests.audio import pcm, wav

MONO = PcmFormat(44100, 1)


@pytest.mark.parametrize(
    ("head", "declared", "framer"),
    [
        (wav(pcm(9), sample_rate=8000), "wav", BarePcmFramer),
        (wav(pcm(9), channels=6), "wav", WavFramer),
        (wav(pcm(9), channels=6, data_bytes=0xFFFFFFFF), "wav", type(None)),
        (pcm(9), "mulaw", BarePcmFramer),
        (b"fLaC\0\0\0\x22", "wav", FlacFramer),
        (b"\xff\xfb\x90\0", "mp3", MpegFramer),
    ],
    ids=["pcm in wav", "wav", "endless wav", "mulaw", "flac", "mp3"],
)
def test_each_format_has_its_framer(head: bytes, declared: InputKind, framer: type) -> None:
    choice = choose(head, declared, MONO, at_end=True)
    assert choice is not None
    assert type(framer_of(choice)) is framer
