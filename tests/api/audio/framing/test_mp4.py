"""The MP4 framer tells valid fragments from invalid ones."""

import re

from api.audio.framing.mp4 import Mp4Framer
from tests.audio import encode, speech

FRAGMENTS = (
    "-movflags", "frag_keyframe+empty_moov+default_base_moof", "-frag_duration", "500000",
)  # fmt: skip


def mp4_fragments() -> tuple[bytes, list[bytes]]:
    """Return the index (``moov``), and the fragments."""
    data = encode(speech(), "-c:a", "aac", *FRAGMENTS, "-f", "mp4")
    starts = [found.start() - 4 for found in re.finditer(rb"moof\0\0\0\x10mfhd", data)]
    ends = [*starts[1:], data.index(b"mfra", starts[-1]) - 4]
    assert len(starts) > 3
    return data[: starts[0]], [data[a:b] for a, b in zip(starts, ends, strict=True)]


def with_long_size(fragment: bytes) -> bytes:
    """Return the fragment with a 64-bit size of its ``mdat``."""
    place = fragment.index(b"mdat") - 4
    size = int.from_bytes(fragment[place : place + 4], "big") + 8
    return fragment[:place] + b"\0\0\0\x01mdat" + size.to_bytes(8, "big") + fragment[place + 8 :]


def test_fragments_with_64_bit_sizes_are_passed_on() -> None:
    index, fragments = mp4_fragments()
    data = index + b"".join(map(with_long_size, fragments))
    framer = Mp4Framer()
    assert framer.feed(data) + framer.finish() == data
    assert framer.skipped_bytes == 0


def test_fragments_are_passed_on_if_all_of_them_have_padding() -> None:
    index, fragments = mp4_fragments()
    padded = []
    for fragment in fragments:
        place = fragment.index(b"mdat") - 4
        size = int.from_bytes(fragment[place : place + 4], "big") + 5
        padded.append(fragment[:place] + size.to_bytes(4, "big") + fragment[place + 4 :] + b"extra")
    data = index + b"".join(padded)
    framer = Mp4Framer()
    assert framer.feed(data) + framer.finish() == data


def test_a_fragment_with_a_wrong_sample_count_is_skipped_and_no_other() -> None:
    index, fragments = mp4_fragments()
    place = fragments[1].index(b"trun") + 20
    lie = fragments[1][:place] + b"\x7f" + fragments[1][place + 1 :]
    framer = Mp4Framer()
    whole = framer.feed(index + fragments[0] + lie + b"".join(fragments[2:])) + framer.finish()
    assert whole == index + fragments[0] + b"".join(fragments[2:])
    assert framer.skipped_bytes == len(lie)


def test_a_last_fragment_of_unknown_length_is_passed_on_to_its_end() -> None:
    index, fragments = mp4_fragments()
    place = fragments[0].index(b"mdat") - 4
    open_ended = fragments[0][:place] + bytes(4) + fragments[0][place + 4 :]
    framer = Mp4Framer()
    assert framer.feed(index + open_ended) + framer.finish() == index + open_ended
