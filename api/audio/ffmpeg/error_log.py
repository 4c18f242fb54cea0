"""What ffmpeg reports on stderr, as an error with the cause and the remedy."""

import re

from api.audio.formats import OFFERED_CODECS, DecodeError

# "[in#0/flac @ 0x5581e0c0b2c0] [error] invalid sync code": the component in front is dropped.
_ERROR_LINE = re.compile(r"(?:\[[^]]*\] )*\[(?:error|fatal|panic)\] (.*)")

# A codec that is not whitelisted is no error if it is a video track or a picture. If it is that of
# the audio, ffmpeg reports next that it cannot open the decoder.
_REFUSED_CODEC = re.compile(r"Codec \((\w+)\) not on whitelist")
_NO_DECODER = re.compile(
    r"Error while opening decoder|.*no decoder found for|Decoder .* not found|Unsupported codec"
)
_NO_AUDIO_TRACK = re.compile(r"Stream map .*matches no streams")

# ffmpeg's names of codecs that users know by another name.
_CODEC_NAMES = {
    "ac3": "AC-3",
    "adpcm_g722": "G.722",
    "adpcm_g726": "G.726",
    "amrnb": "AMR",
    "amrwb": "AMR-WB",
    "ape": "Monkey's Audio",
    "dca": "DTS",
    "eac3": "E-AC-3",
    "g722": "G.722",
    "g723_1": "G.723.1",
    "g726": "G.726",
    "g726le": "G.726",
    "g729": "G.729",
    "gsm": "GSM",
    "gsm_ms": "GSM",
    "libgsm": "GSM",
    "libgsm_ms": "GSM",
    "libopencore_amrnb": "AMR",
    "libopencore_amrwb": "AMR-WB",
    "libspeex": "Speex",
    "speex": "Speex",
    "truespeech": "TrueSpeech",
    "wmapro": "Windows Media Audio",
    "wmav1": "Windows Media Audio",
    "wmav2": "Windows Media Audio",
}


class ErrorLog:
    """Keeps the first error that ffmpeg reports, because later errors follow from it.

    ``what`` is the name of the format that ffmpeg decodes.
    """

    def __init__(self, what: str) -> None:
        self.first: DecodeError | None = None
        self._what = what
        self._refused_codec = ""

    def read(self, line: str) -> None:
        """Read one line of stderr."""
        if self.first is not None or (error_line := _ERROR_LINE.match(line)) is None:
            return
        text = error_line[1]
        if refused := _REFUSED_CODEC.match(text):
            self._refused_codec = refused[1]
        elif _NO_DECODER.match(text):
            self.first = self._unsupported_codec()
        elif _NO_AUDIO_TRACK.match(text):
            self.first = no_audio(self._what)
        else:
            self.first = DecodeError(
                f"{text}: the {self._what} is damaged or incomplete, or is none; "
                "the audio around it is missing"
            )

    def _unsupported_codec(self) -> DecodeError:
        codec = self._refused_codec
        if not codec:
            name = "unknown to the service"
        elif codec in _CODEC_NAMES:
            name = f"{_CODEC_NAMES[codec]} ({codec}), which is not offered"
        else:
            name = f"{codec}, which is not offered"
        return DecodeError(
            f"the codec of the audio is {name}: send {OFFERED_CODECS}", "unsupported_codec"
        )


def no_audio(what: str) -> DecodeError:
    """Return the error for a stream in which ffmpeg found no audio."""
    return DecodeError(
        f"there is no audio in the {what}: send a file with an audio track", "no_audio"
    )
