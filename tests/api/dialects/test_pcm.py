"""Encoded audio becomes PCM, and an unknown byte order is found out."""

import numpy as np

from api.dialects.events import Audio, Begin
from api.dialects.pcm import CallDecoder
from tests.platforms import cut, tone


def decoded(decoder: CallDecoder, *messages: bytes) -> bytes:
    found = [each for data in messages for each in decoder.decode(Audio(data))]
    return b"".join(bytes(each.data) for each in [*found, *decoder.flush()])


def test_silence_at_the_beginning_decides_no_byte_order_and_is_not_held() -> None:
    decoder = CallDecoder(Begin(encoding="l16?", sample_rate=8000))
    (silence,) = decoder.decode(Audio(bytes(32000)))
    assert silence.data == bytes(32000)
    audio = tone(8000, 8000)
    swapped = np.frombuffer(audio, "<i2").byteswap().tobytes()
    assert decoded(decoder, *cut(swapped, 320)) == audio


def test_at_most_a_second_is_held() -> None:
    decoder = CallDecoder(Begin(encoding="l16?", sample_rate=8000))
    parts = list(cut(tone(16000, 8000), 320))
    held = next(at for at, part in enumerate(parts) if decoder.decode(Audio(part)))
    assert held == 49


def test_frames_that_messages_cut_are_joined() -> None:
    decoder = CallDecoder(Begin(encoding="l16", sample_rate=8000, width=2))
    assert decoded(decoder, b"abc", b"", b"defgh", b"ijk") == b"abcdefgh"
