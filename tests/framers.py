"""Runs framers in tests."""

from collections.abc import Iterable

from api.audio.framing.framer import Framer


def framed(framer: Framer, pieces: Iterable[bytes]) -> tuple[bytes, int]:
    """Return what ``framer`` passes on of the whole input, and how many bytes it skipped."""
    out = bytearray()
    for piece in pieces:
        out += b"".join(framer.feed(piece))
    out += b"".join(framer.finish())
    return bytes(out), framer.skipped_bytes
