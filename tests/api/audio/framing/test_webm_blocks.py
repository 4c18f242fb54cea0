"""Whole simple blocks at the start of a buffer are found together."""

import re

import pytest

from api.audio.framing.webm_blocks import leading_blocks

PATTERN = re.compile(rb"\xa3(?:[\x80-\xff]|[\x40-\x7f].)\x81..\x80", re.DOTALL)


def block(frame: bytes) -> bytes:
    body = b"\x81\0\0\x80" + frame
    size = 0x4000 | len(body)
    return b"\xa3" + (bytes([0x80 | len(body)]) if len(body) < 127 else size.to_bytes(2)) + body


def lengths(*elements: bytes) -> list[int]:
    return leading_blocks(bytearray(b"".join(elements)), 0, PATTERN)


def test_all_whole_blocks_are_found() -> None:
    blocks = [block(bytes(size)) for size in (0, 1, 122, 123, 300, 15_000)]
    assert lengths(*blocks) == [len(each) for each in blocks]


@pytest.mark.parametrize(
    "following",
    [
        b"",
        block(bytes(100))[:-1],
        b"\x1f\x43\xb6\x75\x81\0",
        b"\xa3\xff" + block(bytes(300))[3:],
        b"\xa3\x7f\xff" + bytes(20_000),
        b"\xa3\x20\0\x06\x81\0\0\x80ab",
        b"\xa3\x86\x82\0\0\x70ab",
        block(bytes(20) + block(bytes(5)) + bytes(20)),
    ],
    ids=[
        "nothing", "incomplete", "cluster", "unknown size", "unknown size of two bytes",
        "size of three bytes", "not of the pattern", "a block inside",
    ],
)  # fmt: skip
def test_the_search_ends_at_anything_else(following: bytes) -> None:
    assert lengths(block(b"first"), following) == [len(block(b"first"))]


def test_a_search_is_bounded() -> None:
    assert len(lengths(*[block(b"")] * 100_000)) == 64
