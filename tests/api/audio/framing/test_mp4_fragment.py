"""A fragment of MP4 states where its samples are and how long they are, or it is damaged."""

import struct

import pytest

from api.audio.framing.mp4_fragment import Fragment, track_ids

ANY = frozenset[int]()


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def header(track: int = 1, *, flags: int = 0x020000, fields: bytes = b"") -> bytes:
    return box(b"tfhd", struct.pack(">II", flags, track) + fields)


def run(*sizes: int, offset: int = 100) -> bytes:
    head = struct.pack(">IIi", 0x000201, len(sizes), offset)
    return box(b"trun", head + struct.pack(f">{len(sizes)}I", *sizes))


def moof(*boxes: bytes) -> bytes:
    return box(b"moof", box(b"mfhd", bytes(8)) + box(b"traf", b"".join(boxes)))


def test_the_samples_of_a_fragment_fill_its_mdat() -> None:
    fragment = Fragment.parse(moof(header(), run(10, 20, 30)), ANY)
    assert fragment is not None
    assert fragment.runs == ((100, 60),)
    assert fragment.fits(100, 160)
    assert not fragment.fits(100, 159)
    assert not fragment.fits(100, 161)
    assert not fragment.fits(101, 161)


def test_unknown_boxes_are_skipped_by_their_size() -> None:
    unknown = box(b"what", b"is this")
    fragment = Fragment.parse(moof(unknown, header(), unknown, run(10), unknown), ANY)
    assert fragment == Fragment.parse(moof(header(), run(10)), ANY)


def test_the_size_of_a_run_may_come_from_the_header() -> None:
    sized = header(flags=0x020010, fields=struct.pack(">I", 7))
    plain = box(b"trun", struct.pack(">IIi", 0x000001, 6, 100))
    fragment = Fragment.parse(moof(sized, plain), ANY)
    assert fragment is not None
    assert fragment.runs == ((100, 42),)


@pytest.mark.parametrize(
    "boxes",
    [
        (run(10),),
        (header(flags=0xFF0000), run(10)),
        (header(fields=b"four"), run(10)),
        (header(), box(b"trun", struct.pack(">II", 0x000200, 1000))),
        (header(track=7), run(10)),
    ],
    ids=["no header", "unknown flags", "a wrong length", "missing sizes", "an unknown track"],
)
def test_contradictions_are_damage(boxes: tuple[bytes, ...]) -> None:
    assert Fragment.parse(moof(*boxes), frozenset({1})) is None


def test_a_stated_base_can_be_corrected() -> None:
    data = moof(header(flags=0x000001, fields=struct.pack(">Q", 5000)), run(10))
    fragment = Fragment.parse(data, ANY)
    assert fragment is not None
    assert fragment.has_bases(5000)
    moved = Fragment.parse(fragment.with_bases(data, 4000), ANY)
    assert moved is not None
    assert moved.has_bases(4000)


def test_the_tracks_are_those_of_the_index() -> None:
    trex = [box(b"trex", bytes(4) + struct.pack(">I", track) + bytes(16)) for track in (1, 5)]
    assert track_ids(box(b"moov", box(b"mvex", b"".join(trex)))) == {1, 5}
