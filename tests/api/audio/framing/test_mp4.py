"""The MP4 framer tells valid fragments from invalid ones."""

import re

import pytest

from api.audio.framing.mp4 import Mp4Framer
from tests.audio import cut_anywhere, decode, encode, speech
from tests.framers import framed

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
    assert framed(Mp4Framer(), [data]) == (data, 0)


def test_fragments_are_passed_on_if_all_of_them_have_padding() -> None:
    index, fragments = mp4_fragments()
    padded = []
    for fragment in fragments:
        place = fragment.index(b"mdat") - 4
        size = int.from_bytes(fragment[place : place + 4], "big") + 5
        padded.append(fragment[:place] + size.to_bytes(4, "big") + fragment[place + 4 :] + b"extra")
    data = index + b"".join(padded)
    assert framed(Mp4Framer(), [data])[0] == data


def test_a_fragment_with_a_wrong_sample_count_is_skipped_and_no_other() -> None:
    index, fragments = mp4_fragments()
    place = fragments[1].index(b"trun") + 20
    lie = fragments[1][:place] + b"\x7f" + fragments[1][place + 1 :]
    damaged = index + fragments[0] + lie + b"".join(fragments[2:])
    expected = index + fragments[0] + b"".join(fragments[2:])
    assert framed(Mp4Framer(), [damaged]) == (expected, len(lie))


def test_a_last_fragment_of_unknown_length_is_passed_on_to_its_end() -> None:
    index, fragments = mp4_fragments()
    place = fragments[0].index(b"mdat") - 4
    open_ended = fragments[0][:place] + bytes(4) + fragments[0][place + 4 :]
    assert framed(Mp4Framer(), [index + open_ended])[0] == index + open_ended


def box(kind: bytes, body: bytes = b"") -> bytes:
    return (8 + len(body)).to_bytes(4, "big") + kind + body


def with_box_inside(fragment: bytes, path: list[bytes], extra: bytes) -> bytes:
    """Return the fragment with ``extra`` at the end of the box at ``path``; samples stay put."""
    out, grown = bytearray(fragment), 0
    for kind in path:
        place = out.index(kind) - 4
        size = int.from_bytes(out[place : place + 4], "big")
        out[place : place + 4] = (size + len(extra)).to_bytes(4, "big")
        grown = place + size
    out[grown:grown] = extra
    run = out.index(b"trun") + 12  # the offset of the samples, relative to the moof
    offset = int.from_bytes(out[run : run + 4], "big") + len(extra)
    out[run : run + 4] = offset.to_bytes(4, "big")
    return bytes(out)


@pytest.mark.parametrize("path", [[b"moof"], [b"moof", b"traf"]])
def test_unknown_boxes_in_a_fragment_are_passed_on(path: list[bytes]) -> None:
    index, fragments = mp4_fragments()
    extra = box(b"vndr", bytes(40))
    data = index + b"".join(with_box_inside(each, path, extra) for each in fragments)
    assert framed(Mp4Framer(), [data]) == (data, 0)
    expected = decode(index + b"".join(fragments), sample_rate=22050)
    assert decode(data, sample_rate=22050) == expected


@pytest.mark.parametrize("size", [0, 40, 300_000])
def test_unknown_boxes_between_fragments_are_passed_on(size: int) -> None:
    index, fragments = mp4_fragments()
    data = index + b"".join(box(b"vndr", bytes(size)) + each for each in fragments)
    assert framed(Mp4Framer(), cut_anywhere(data, seed=size)) == (data, 0)


def test_unknown_boxes_between_index_and_audio_are_passed_on() -> None:
    whole = box(b"ftyp", b"isom\0\0\0\0") + box(b"moov", bytes(100)) + box(b"Xtra", bytes(40))
    data = whole + box(b"mdat", bytes(3000))
    assert framed(Mp4Framer(), cut_anywhere(data, seed=1)) == (data, 0)


def test_a_fragment_without_audio_is_no_damage() -> None:
    index, fragments = mp4_fragments()
    place = fragments[1].index(b"mdat") - 4
    doubled = fragments[0] + fragments[1][:place] + b"".join(fragments[1:])
    passed, skipped_bytes = framed(Mp4Framer(), cut_anywhere(index + doubled, seed=1))
    assert skipped_bytes == 0
    expected = decode(index + b"".join(fragments), sample_rate=22050)
    assert decode(passed, sample_rate=22050) == expected


def test_audio_of_a_damaged_fragment_is_counted_as_damage() -> None:
    index, fragments = mp4_fragments()
    damaged = fragments[1].replace(b"moof", b"mgof")
    data = index + fragments[0] + damaged + b"".join(fragments[2:])
    passed, skipped_bytes = framed(Mp4Framer(), [data])
    assert skipped_bytes == len(damaged) - damaged.index(b"mdat") + 4
    assert decode(passed, sample_rate=22050) == decode(
        index + fragments[0] + b"".join(fragments[2:]), sample_rate=22050
    )
