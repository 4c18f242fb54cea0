"""The worst bytes for each framer cost linear time, in short steps.

Between two steps the service does something else. So the tests count function calls, in all and for
each step, and no seconds.
"""

import collections
import cProfile
import itertools
import struct
import sys
from collections.abc import Callable, Iterator
from types import FrameType

import pytest

from api.audio.formats import DecodeError
from api.audio.framing.adts import AdtsFramer
from api.audio.framing.bare_pcm import BarePcmFramer
from api.audio.framing.flac import FlacFramer
from api.audio.framing.framer import Framer
from api.audio.framing.mp4 import Mp4Framer
from api.audio.framing.mpeg import MpegFramer
from api.audio.framing.ogg import OggFramer
from api.audio.framing.wav import WavFramer
from api.audio.framing.webm import WebmFramer
from api.audio.pcm import PcmFramer
from storage.pcm import Buffer
from tests.audio import chunk, cut

SMALL = 48 * 1024


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def ogg_pages(size: int) -> bytes:
    """Return false pages, each of which finds the next page of its stream far behind."""

    def page(serial: int) -> bytes:
        return b"OggS\0\0" + b"n" * 8 + struct.pack("<I", serial) + b"n" * 8 + b"\xff"

    group = b"".join(page(0x6E000000 + number) for number in range(560)) * 2
    return (group * (size // len(group) + 1))[:size]


def webm_blocks(size: int) -> bytes:
    """Return a block of two megabytes that consists of beginnings of blocks."""
    header = (
        b"\x1a\x45\xdf\xa3\x84\x42\x82\x81w" + b"\x18\x53\x80\x67\xff" + b"\x1f\x43\xb6\x75\xff"
    )
    return header + b"\xa3\x10\x20\x00\x00\x81\0\0\x80" + b"\xa3\x88\x81\0\0\x80" * (size // 6)


def flac(body: bytes, size: int) -> bytes:
    """Return a FLAC file of one frame, with the largest size in its head, that may be two files."""
    stream_info = b"\xff\xff\xff\xff" + bytes(6) + b"\x0b\xb8\x0f\xf0" + bytes(20)
    frame = flac_header(0) + b"fLaC"
    frame += crc(frame, 16, 0x18005)
    return b"fLaC\x80\0\0\x22" + stream_info + frame + body * (size // max(1, len(body)))


def flac_header(number: int) -> bytes:
    head = bytes((0xFF, 0xF8, 0xC9, 0x08, number))
    return head + crc(head, 8, 0x107)


def crc(data: bytes, bits: int, polynomial: int) -> bytes:
    value = 0
    for byte in data:
        value ^= byte << bits - 8
        for _ in range(8):
            value = value << 1 ^ (polynomial if value >> bits - 1 else 0)
    return value.to_bytes(bits // 8)


RIGHT_AGAIN = b"RI" + crc(b"RI", 16, 0x18005)
LYRICS = b"LYRICSBEGIN" + b"IND00000" * 10_000
EMPTY_TAG = b"ID3\x04\0\0\0\0\0\0"
ADTS_FRAME = b"\xff\xf1\x50\x80\x00\xff\xfc"
MP3_FRAME = b"\xff\xf3\x14\xc4" + bytes(20)
FTYP = box(b"ftyp", b"iso5\0\0\2\0iso5iso6")
MOOF = box(b"moof", b"\0\0\0\x10mfhd" + bytes(8))
CASES: dict[str, tuple[Callable[[], Framer], Callable[[int], bytes]]] = {
    "adts: one sync byte after the other": (AdtsFramer, lambda size: b"\xff" * size),
    "adts: one sync word after the other": (AdtsFramer, lambda size: b"\xff\xf1" * (size // 2)),
    "adts: frames of no valid follower": (
        AdtsFramer,
        lambda size: b"\xff\xf1\x50\x80\xff\xff\xfc" * (size // 7),
    ),
    "adts: a tag of many fields": (AdtsFramer, lambda size: ADTS_FRAME + LYRICS[:size]),
    "adts: empty tags": (AdtsFramer, lambda size: ADTS_FRAME + EMPTY_TAG * (size // 10)),
    "flac: one sync code after the other": (FlacFramer, lambda size: flac(b"\xff\xf8", size)),
    "flac: one false header after the other": (FlacFramer, lambda size: flac(flac_header(1), size)),
    "flac: zeros behind the checksum": (FlacFramer, lambda size: flac(b"\0", size)),
    "flac: one right checksum after the other": (FlacFramer, lambda size: flac(RIGHT_AGAIN, size)),
    "flac: beginnings of MP3 behind the checksum": (
        FlacFramer,
        lambda size: flac(MP3_FRAME[:4] + b"\0", size),
    ),
    "flac: empty metadata": (
        FlacFramer,
        lambda size: flac(b"", 0)[:42].replace(b"\x80\0\0\x22", b"\0\0\0\x22") + bytes(size),
    ),
    "flac: damage": (FlacFramer, lambda size: flac(b"", 0)[:42] + flac_header(0)[:5] * (size // 5)),
    "mp3: the smallest frames": (MpegFramer, lambda size: MP3_FRAME * (size // 24)),
    "mp3: one sync byte after the other": (MpegFramer, lambda size: b"\xff" * size),
    "mp3: frames of no valid follower": (MpegFramer, lambda size: MP3_FRAME[:4] * (size // 4)),
    "mp3: empty tags": (MpegFramer, lambda size: MP3_FRAME + EMPTY_TAG * (size // 10)),
    "mp3: a tag of many fields": (MpegFramer, lambda size: MP3_FRAME + LYRICS[:size]),
    "wav: zeros behind the audio": (lambda: WavFramer(1), bytes),
    "pcm: zeros behind the audio": (
        lambda: BarePcmFramer("u8", 8000, 1, 1),
        bytes,
    ),
    "mp4: empty boxes": (Mp4Framer, lambda size: FTYP + box(b"free", b"") * (size // 8)),
    "mp4: fragments without audio": (Mp4Framer, lambda size: FTYP + MOOF * (size // len(MOOF))),
    "mp4: fragments that claim more": (
        Mp4Framer,
        lambda size: FTYP + (b"\0\x0f\0\0" + MOOF[4:]) * (size // len(MOOF)),
    ),
    "ogg: false pages": (OggFramer, ogg_pages),
    "webm: beginnings of blocks": (WebmFramer, webm_blocks),
    "webm: elements of no length": (WebmFramer, lambda size: b"\xec\x80" * (size // 2)),
    "webm: damage": (WebmFramer, lambda size: b"\xa3" * size),
}


def calls_of_each(pieces: Iterator[Buffer]) -> list[int]:
    """Return the number of function calls for each item, and for the end."""
    counts = [0]

    def profile(frame: FrameType, event: str, argument: object) -> None:
        counts[-1] += event in {"call", "c_call"}

    sys.setprofile(profile)
    try:
        while next(pieces, None) is not None:
            counts += [0]
    finally:
        sys.setprofile(None)
    return counts


def calls(framer: Framer, pieces: list[bytes]) -> int:
    """Return the number of function calls that framing the ``pieces`` takes."""
    feeding = (framer.feed(piece) for piece in pieces)
    everything = itertools.chain(itertools.chain.from_iterable(feeding), framer.finish())
    profile = cProfile.Profile(subcalls=False)
    profile.enable()
    try:
        collections.deque(everything, maxlen=0)
    finally:
        profile.disable()
    return sum(each.callcount for each in profile.getstats())


@pytest.mark.parametrize("case", CASES)
def test_the_worst_bytes_cost_linear_time(case: str) -> None:
    new, worst = CASES[case]
    few, many = (calls(new(), list(cut(worst(SMALL * factor), 1000))) for factor in (1, 4))
    assert many <= 6 * few
    assert many <= 15 * 4 * SMALL


@pytest.mark.parametrize("case", CASES)
def test_one_step_is_short(case: str) -> None:
    """Everything comes at once; between two steps other tasks can run."""
    new, worst = CASES[case]
    steps = calls_of_each(new().feed(worst(4 * SMALL)))
    assert max(steps) < 10_000
    assert sum(steps) <= 15 * 4 * SMALL


def test_a_moof_is_parsed_once_however_its_audio_is_cut() -> None:
    run = box(b"trun", struct.pack(">II", 0x200, 200_000) + b"\0\0\0\1" * 200_000)
    track = box(b"traf", box(b"tfhd", struct.pack(">II", 0x020000, 1)) + run)
    moof = box(b"moof", box(b"mfhd", bytes(8)) + track)
    framer = Mp4Framer()
    list(framer.feed(FTYP + moof + struct.pack(">I4s", 8 + 200_000, b"mdat")))
    assert calls(framer, [b"\0"] * 1000) < 60 * 1000


def test_many_empty_chunks_of_a_wav_are_an_error() -> None:
    framer = PcmFramer(2, 2)
    with pytest.raises(DecodeError, match="chunks"):
        framer.feed(b"\0\0" + chunk(b"JUNK", b"") * 1_000_000)
