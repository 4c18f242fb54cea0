"""Damaged bytes of stored objects: single bits flipped, truncated, replaced."""

from collections.abc import Iterator


def bit_flips(data: bytes) -> Iterator[bytes]:
    """Yield ``data`` with each single bit flipped."""
    for position in range(8 * len(data)):
        yield _flipped(data, position)


def damaged(data: bytes, *, flips_per_byte: int = 8) -> Iterator[bytes]:
    """Yield single-bit flips of every byte, every truncation, and other bytes."""
    for position in range(len(data)):
        for bit in range(position, position + flips_per_byte):
            yield _flipped(data, 8 * position + bit % 8)
    yield from (data[:length] for length in range(len(data)))
    yield from (data + b"x", b"[" * 100_000, b'{"x":' * 100_000, b"\xff" * 64, b"null", bytes(4096))


def _flipped(data: bytes, position: int) -> bytes:
    flipped = bytearray(data)
    flipped[position // 8] ^= 1 << position % 8
    return bytes(flipped)
