"""Damaged bytes of stored objects: single bits flipped, truncated, replaced."""

from collections.abc import Iterator


def bit_flips(data: bytes) -> Iterator[bytes]:
    """Yield ``data`` with each single bit flipped."""
    for position in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[position // 8] ^= 1 << position % 8
        yield bytes(flipped)


def damaged(data: bytes) -> Iterator[bytes]:
    """Yield every single-bit flip, every truncation, and other bytes."""
    yield from bit_flips(data)
    yield from (data[:length] for length in range(len(data)))
    yield from (data + b"x", b"[" * 100_000, b'{"x":' * 100_000, b"\xff" * 64, b"null", bytes(4096))
