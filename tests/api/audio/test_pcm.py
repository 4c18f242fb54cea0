"""PCM that passes through equals the PCM that ffmpeg decodes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.audio.choice import choose
from api.audio.pcm import PcmFramer
from storage.pcm import PcmFormat
from tests.audio import chunk, cut, cut_anywhere, decode, pcm, wav

MONO = PcmFormat(44100, 1)


def passed_through(data: bytes, pieces: list[bytes] | None = None, channels: int = 1) -> bytes:
    """Return the PCM of a WAV fed in ``pieces``; before each piece the framer is restored."""
    choice = choose(data, "wav", PcmFormat(44100, channels))
    assert choice is not None
    assert choice.way == "passthrough"
    decoder = PcmFramer(2 * channels, choice.data_bytes)
    out = b""
    for piece in pieces or [data[choice.offset :]]:
        decoder = PcmFramer.restored(2 * channels, decoder.state())
        out += bytes(decoder.feed(piece))
    return out


@given(st.binary(max_size=3000), st.integers(0, 2**32), st.sampled_from([1, 2]))
def test_raw_pcm_is_emitted_in_whole_frames_however_it_is_cut(
    data: bytes, seed: int, channels: int
) -> None:
    decoder = PcmFramer(2 * channels, None)
    out = [bytes(decoder.feed(piece)) for piece in cut_anywhere(data, seed=seed, largest=200)]
    assert all(len(piece) % (2 * channels) == 0 for piece in out)
    assert b"".join(out) == data[: len(data) - len(data) % (2 * channels)]


def test_aligned_pcm_is_not_copied() -> None:
    data = pcm(100)
    assert PcmFramer(2, None).feed(data) is data
    assert PcmFramer(2, None).feed_now(data) is data


@given(st.lists(st.binary(max_size=9)), st.sampled_from([None, 0, 10, 11]))
def test_pcm_is_taken_at_once_as_long_as_the_audio_of_its_file_does_not_end(
    chunks: list[bytes], data_bytes: int | None
) -> None:
    framer, expected, fed = PcmFramer(2, data_bytes), PcmFramer(2, data_bytes), 0
    for piece in chunks:
        found = framer.feed_now(piece)
        fed += len(piece)
        assert (found is None) == (data_bytes is not None and fed >= data_bytes)
        if found is None:
            break
        assert bytes(found) == bytes(expected.feed(piece))
        assert framer.state() == expected.state()


def test_a_new_file_is_not_taken_at_once() -> None:
    framer = PcmFramer(2, None)
    assert framer.feed_now(b"\1") == b""
    state = framer.state()
    assert framer.feed_now(wav(pcm(3))) is None
    assert framer.state() == state


@pytest.mark.parametrize("claimed", [None, 0, 0xFFFFFFFF, 1000, 1001, 5])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("after", [b"", chunk(b"LIST", b"INFO"), chunk(b"odd ", b"123"), b"junk"])
def test_a_wav_that_passes_through_equals_the_output_of_ffmpeg(
    claimed: int | None, channels: int, after: bytes
) -> None:
    data = wav(pcm(500, channels=channels), channels=channels, data_bytes=claimed, after=after)
    expected = decode(data, sample_rate=44100, channels=channels, input_options=("-f", "wav"))
    assert passed_through(data, channels=channels) == expected
    pieces = [bytes(piece) for piece in cut(data[44:], 7)]
    assert passed_through(data, pieces, channels=channels) == expected


def test_a_second_data_chunk_is_recorded_too() -> None:
    more = chunk(b"LIST", b"INFO") + chunk(b"data", pcm(30, seed=2))
    data = wav(pcm(20, seed=1), after=more)
    assert passed_through(data) == pcm(20, seed=1) + pcm(30, seed=2)
    assert passed_through(data) == decode(data, sample_rate=44100, input_options=("-f", "wav"))


MP4 = b"\0\0\0\x20ftypiso5"


@pytest.mark.parametrize("padding", [0, 1, 2, 3, 7, 100, 3_000_000])
@pytest.mark.parametrize(
    "following", [wav(pcm(3)), MP4, b"\0\0\x01" + MP4[3:]], ids=["wav", "mp4", "long ftyp"]
)
def test_zeros_in_front_of_the_next_file_are_padding(padding: int, following: bytes) -> None:
    """Audio of an odd length is padded, and some recorders fill the last block of a file."""
    data = b"audio" + bytes(padding) + following
    cuts = [[data], [data[:-9], data[-9:]], [data[:7], data[7:]]]
    if padding <= 100:
        cuts += [list(cut(data, 1)), list(cut(data, 3))]
    for pieces in cuts:
        framer = PcmFramer(1, 5)
        pcm_bytes = b""
        for number, piece in enumerate(pieces):
            pcm_bytes += bytes(framer.feed(piece))
            if framer.next_file is not None:
                assert framer.next_file + b"".join(pieces[number + 1 :]) == following
                break
            framer = PcmFramer.restored(1, framer.state())
        assert pcm_bytes == b"audio"
        assert framer.next_file is not None


@given(st.lists(st.tuples(st.sampled_from([b"data", b"LIST", b"fact"]), st.binary(max_size=50))))
def test_chunks_after_the_audio_are_read_like_ffmpeg_reads_them(
    chunks: list[tuple[bytes, bytes]],
) -> None:
    even = [(tag, body[: len(body) // 2 * 2]) for tag, body in chunks]
    after = b"".join(chunk(tag, body) for tag, body in even if body)
    data = wav(pcm(50), after=after)
    assert passed_through(data) == decode(data, sample_rate=44100, input_options=("-f", "wav"))
