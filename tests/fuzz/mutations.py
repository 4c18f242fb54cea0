"""Mutations of files, like those of broken networks, faulty clients and attackers."""

from collections.abc import Callable
from random import Random

_EXTREMES = (
    b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x7f\xff\xff\xff", b"\0\0\0\x80",
    b"\x80\0\0\0", b"\x01\0\0\0", b"\0\0\0\x01", b"\x07\0\0\0", b"\0\0\0\x07", b"\0\0\0\x08",
    bytes(8), b"\xff" * 8, b"\0\0\x10\0", b"\0\x10\0\0",
)  # fmt: skip
_WORDS = (
    b"RIFF", b"RF64", b"BW64", b"WAVE", b"fmt ", b"data", b"ds64", b"LIST", b"JUNK", b"fLaC",
    b"OggS\0\x02", b"\x1a\x45\xdf\xa3", b"\x42\x82", b"\0\0\0\x18ftyp", b"moof\0\0\0\x10mfhd",
    b"mdat", b"ID3\x04\0\0\0\0\x02\0", b"\xff\xfb\x90\x00", b"\xff\xf1\x50\x80", b"\xff\xff",
)  # fmt: skip

Mutation = Callable[[bytes, Random], bytes]


def mutate(data: bytes, random: Random, others: list[bytes]) -> bytes:
    """Return ``data`` with a few mutations, maybe with one of ``others`` inserted."""
    for _ in range(random.randint(0, 6)):
        data = random.choice(_MUTATIONS)(data, random)
    if random.random() < 0.2:
        where = _random_offset(data, random)
        data = data[:where] + random.choice(others) + data[where:]
    return data


def _flip(data: bytes, random: Random) -> bytes:
    return _put(data, random, bytes([random.randrange(256)]))


def _overwrite(data: bytes, random: Random) -> bytes:
    return _put(data, random, random.choice(_EXTREMES))


def _remove(data: bytes, random: Random) -> bytes:
    where = _random_offset(data, random)
    return data[:where] + data[where + _length(random) :]


def _repeat(data: bytes, random: Random) -> bytes:
    where = _random_offset(data, random)
    return data[:where] + data[where : where + _length(random)] + data[where:]


def _insert(data: bytes, random: Random) -> bytes:
    where = _random_offset(data, random)
    new = random.choice((random.choice(_WORDS), random.choice(_EXTREMES), _noise(random)))
    return data[:where] + new + data[where:]


def _cut(data: bytes, random: Random) -> bytes:
    return data[: _random_offset(data, random)]


_MUTATIONS: tuple[Mutation, ...] = (
    _flip,
    _flip,
    _overwrite,
    _overwrite,
    _remove,
    _repeat,
    _insert,
    _cut,
)


def _put(data: bytes, random: Random, new: bytes) -> bytes:
    where = _random_offset(data, random)
    return data[:where] + new + data[where + len(new) :]


def _random_offset(data: bytes, random: Random) -> int:
    """Return an offset, more often one in the headers."""
    return random.randint(0, random.choice((min(len(data), 64), min(len(data), 600), len(data))))


def _length(random: Random) -> int:
    return random.choice((1, 2, 4, 8, random.randint(1, 2000)))


def _noise(random: Random) -> bytes:
    return bytes(random.randrange(256) for _ in range(random.choice((1, 3, 16, 200))))
