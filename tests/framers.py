"""Runs framers in tests."""

from collections.abc import Iterable

from api.audio.framing.framer import Framer


def framed(framer: Framer, pieces: Iterable[bytes]) -> tuple[bytes, int]:
    """Return what ``framer`` passes on of the first file, and how many bytes it skipped."""
    return split(framer, pieces)[:2]


def split(framer: Framer, pieces: Iterable[bytes]) -> tuple[bytes, int, bytes | None]:
    """Return the same, and the bytes that belong to a new file; None if none begins."""
    out, rest = bytearray(), bytearray()
    for piece in pieces:
        if framer.next_file is None:
            out += b"".join(framer.feed(piece))
        else:
            rest += piece
    out += b"".join(framer.finish())
    following = None if framer.next_file is None else framer.next_file + rest
    return bytes(out), framer.skipped_bytes, following
