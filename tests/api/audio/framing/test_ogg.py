"""The Ogg framer passes whole pages; a page with a wrong length costs only itself."""

import re

import pytest

from api.audio.framing.ogg import OggFramer
from tests.audio import cut_anywhere, decode, encode, speech
from tests.framers import framed

DATA = encode(speech(), "-c:a", "libvorbis", "-page_duration", "200000", "-f", "ogg")
STARTS = [found.start() for found in re.finditer(b"OggS\0", DATA)]
MIDDLE = STARTS[len(STARTS) // 2]
BEHIND = STARTS[len(STARTS) // 2 + 1]


def ogg_framed(data: bytes, seed: int) -> tuple[bytes, int]:
    return framed(OggFramer(), cut_anywhere(data, seed=seed))


@pytest.mark.parametrize("seed", range(5))
def test_the_framer_passes_undamaged_pages_unchanged(seed: int) -> None:
    assert len(STARTS) > 10
    assert ogg_framed(DATA, seed) == (DATA, 0)


def test_the_framer_passes_a_page_as_soon_as_it_is_complete() -> None:
    framer = OggFramer()
    assert b"".join(framer.feed(DATA[:BEHIND])) == DATA[:BEHIND]


@pytest.mark.parametrize("seed", range(5))
def test_a_page_that_claims_to_be_longer_is_skipped(seed: int) -> None:
    lie = DATA[: MIDDLE + 26] + b"\xff" + DATA[MIDDLE + 27 :]
    assert ogg_framed(lie, seed) == (DATA[:MIDDLE] + DATA[BEHIND:], BEHIND - MIDDLE)


@pytest.mark.parametrize("seed", range(5))
def test_bytes_between_pages_are_skipped(seed: int) -> None:
    assert ogg_framed(DATA[:MIDDLE] + b"OggS junk" + DATA[MIDDLE:], seed) == (DATA, 9)


def test_the_framer_passes_a_truncated_end_to_ffmpeg() -> None:
    assert ogg_framed(DATA[: BEHIND - 10], 1) == (DATA[: BEHIND - 10], 0)


@pytest.mark.parametrize("cut_bytes", [1, 100, (BEHIND - MIDDLE) // 2])
def test_of_a_stream_that_is_cut_the_whole_packets_of_the_last_page_are_passed_on(
    cut_bytes: int,
) -> None:
    framer = OggFramer()
    passed = b"".join(framer.feed(DATA[: BEHIND - cut_bytes]))
    framer.cut()
    passed += b"".join(framer.finish())
    assert framer.skipped_bytes == 0
    assert passed[:MIDDLE] == DATA[:MIDDLE]
    whole, cut, before = (
        decode(data, sample_rate=22050) for data in (DATA[:BEHIND], passed, DATA[:MIDDLE])
    )
    assert len(before) < len(cut) < len(whole)
    assert whole.startswith(cut)


def test_a_cut_before_the_first_packet_of_a_page_has_ended_changes_nothing() -> None:
    body = 27 + DATA[MIDDLE + 26]
    for length in (10, 27, body - 1, body + DATA[MIDDLE + 27] - 1):
        framer, uncut = OggFramer(), OggFramer()
        for each in (framer, uncut):
            assert b"".join(each.feed(DATA[: MIDDLE + length])) == DATA[:MIDDLE]
        framer.cut()
        assert list(framer.finish()) == list(uncut.finish())


def test_audio_that_looks_like_a_page_header_is_passed_on() -> None:
    body = b"OggS\0\0" + bytes(40)
    page = b"OggS\0\x02" + bytes(8) + b"\1\0\0\0" + bytes(8) + bytes([1, len(body)]) + body
    assert ogg_framed(page + page, 3) == (page + page, 0)
