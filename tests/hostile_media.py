"""Media files that make ffmpeg open another file or address, if it is allowed to."""

import struct
from collections.abc import Iterator
from pathlib import Path

_PARENTS_OF_REFERENCE = {b"moov", b"trak", b"mdia", b"minf", b"dinf"}


def hls(address: str) -> bytes:
    """Return a playlist (RFC 8216) of one segment."""
    lines = ("#EXTM3U", "#EXT-X-TARGETDURATION:10", "#EXTINF:5,", address, "#EXT-X-ENDLIST", "")
    return "\n".join(lines).encode()


def ffconcat(address: str) -> bytes:
    """Return a script of ffmpeg's concat demuxer."""
    return f"ffconcat version 1.0\nfile {address}\n".encode()


def without_media(mov: bytes, target: Path) -> bytes:
    """Return ``mov`` without its audio, with a reference to ``target`` (``dref``, QuickTime)."""
    kept = (
        (kind, _reference(target))
        if kind == b"dref"
        else (kind, without_media(body, target) if kind in _PARENTS_OF_REFERENCE else body)
        for kind, body in _boxes(mov)
        if kind != b"mdat"
    )
    return b"".join(_box(kind, body) for kind, body in kept)


def _reference(target: Path) -> bytes:
    """Return one Macintosh alias record with only the absolute path set."""
    path = str(target).encode()
    record = bytes(150) + struct.pack(">HH", 2, len(path)) + path + bytes(len(path) % 2)
    end = struct.pack(">hH", -1, 0)
    return struct.pack(">II", 0, 1) + _box(b"alis", bytes(4) + record + end)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    start = 0
    while start < len(data):
        (size,) = struct.unpack_from(">I", data, start)
        yield data[start + 4 : start + 8], data[start + 8 : start + size]
        start += size


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body
