"""The framer of a WAV passes it on as it arrives, up to the next file."""

from api.audio.framing.wav import WavFramer
from tests.audio import chunk, cut_anywhere, pcm, wav
from tests.framers import split

AFTER = chunk(b"LIST", b"odd") + chunk(b"data", pcm(50, seed=1)) + chunk(b"note", b"")


def test_a_wav_is_passed_on_with_all_its_chunks() -> None:
    data = wav(pcm(100), channels=6, after=AFTER)
    size = len(data) - len(AFTER)
    following = wav(pcm(20))
    for seed in range(20):
        pieces = list(cut_anywhere(data, seed=seed, largest=90))
        assert split(WavFramer(size), pieces) == (data, 0, None)
        pieces = list(cut_anywhere(data + following, seed=seed, largest=90))
        assert split(WavFramer(size), pieces) == (data, 0, following)


def test_audio_of_an_odd_length_is_padded() -> None:
    data = wav(b"audio", sample_bits=4)
    following = wav(pcm(20))
    assert split(WavFramer(len(data)), [data + b"\0" + following]) == (data + b"\0", 0, following)
    assert split(WavFramer(len(data)), [data + following]) == (data, 0, following)


def test_a_file_inside_the_audio_is_audio() -> None:
    data = wav(wav(pcm(10)), sample_bits=4)
    assert split(WavFramer(len(data)), cut_anywhere(data, seed=1, largest=9)) == (data, 0, None)


def test_a_file_may_have_been_cut_off_in_its_audio() -> None:
    data = wav(pcm(10), channels=6)
    framer = WavFramer(len(data))
    list(framer.feed(data[:-1]))
    assert not framer.finds_files
    list(framer.feed(data[-1:]))
    assert framer.finds_files
