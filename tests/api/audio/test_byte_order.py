"""The wrong byte order sounds like noise."""

import numpy as np
import pytest

from api.audio import byte_order
from tests.audio import decode, pcm, speech
from tests.platforms import tone


@pytest.mark.parametrize("amplitude", [3, 200, 30000])
def test_a_tone_shows_its_byte_order(amplitude: int) -> None:
    audio = tone(8000, 8000, amplitude=amplitude)
    assert not byte_order.is_big_endian(audio)
    assert byte_order.is_big_endian(np.frombuffer(audio, "<i2").byteswap().tobytes())


def test_speech_shows_its_byte_order() -> None:
    audio = decode(speech(), sample_rate=8000)
    assert not byte_order.is_big_endian(audio)
    assert byte_order.is_big_endian(byte_order.swap(audio))


@pytest.mark.parametrize("audio", [b"", b"\0", bytes(1000), pcm(8000)])
def test_silence_and_noise_are_little_endian(audio: bytes) -> None:
    assert not byte_order.is_big_endian(audio)


def test_a_swap_leaves_out_half_a_sample() -> None:
    assert byte_order.swap(b"abcde") == b"badc"
