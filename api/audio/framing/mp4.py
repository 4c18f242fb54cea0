"""The framer of fragmented MP4 (ISO/IEC 14496-12): damage loses only the fragment it hits."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from storage.pcm import Buffer

_TOP = frozenset(
    (b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"sidx", b"free", b"skip", b"emsg",
     b"prft", b"pdin", b"mfra", b"uuid", b"wide", b"meta", b"ssix")
)  # fmt: skip
_IN_MOOF = frozenset((b"mfhd", b"traf", b"pssh", b"meta", b"uuid", b"free"))
_IN_TRAF = frozenset(
    (b"tfhd", b"tfdt", b"trun", b"sbgp", b"sgpd", b"subs", b"saiz", b"saio", b"senc",
     b"meta", b"uuid", b"free", b"udta")
)  # fmt: skip
_MAX_OTHER_BOX_BYTES = 1024 * 1024  # limit for boxes other than moov, moof and mdat
_MAX_BUFFERED_BYTES = 4 * 1024 * 1024  # a longer fragment is passed on as it arrives
_MFHD = b"\x00\x00\x00\x10mfhd"  # the first box inside every moof
_START_BYTES = 16  # the first bytes of a moof, which identify it


class Mp4Framer:
    """Implements `api.audio.framing.framer.Framer`: an index, then pairs of ``moof`` and ``mdat``.

    It passes a fragment on when it is complete and the sample sizes in ``moof`` fit the size of
    ``mdat``. It passes other known boxes on as they arrive. After damage it skips everything up
    to the next fragment.
    """

    def __init__(self) -> None:
        self.skipped_bytes = 0
        self._buffer = bytearray()
        self._searched = 0  # no fragment begins before this offset, except at 0
        self._is_skipping = False
        self._pass_left = 0  # bytes of a box that is passed on as it arrives; -1: to the end
        self._tracks: set[int] = set()
        self._must_fit: bool | None = None  # whether the sizes of the first fragment fit

    def feed(self, data: Buffer) -> bytes:
        self._buffer += data
        out = bytearray()
        while self._buffer and (step := self._step()):
            if step.passes:
                out += self._buffer[: step.length]
            else:
                self.skipped_bytes += step.length
            del self._buffer[: step.length]
            self._searched = 0
        return bytes(out)

    def finish(self) -> bytes:
        rest = b"" if self._is_skipping else bytes(self._buffer)
        self.skipped_bytes += len(self._buffer) - len(rest)
        self._buffer.clear()
        return rest

    def _step(self) -> "_Step | None":
        """Return what to do with the start of the buffer; None if it needs more bytes."""
        if self._pass_left:
            length = len(self._buffer)
            if self._pass_left > 0:
                length = min(length, self._pass_left)
                self._pass_left -= length
            return _Step(length, passes=True)
        if len(self._buffer) < _START_BYTES:
            return None
        if self._is_skipping and not self._begins_fragment():
            return self._skip()
        self._is_skipping = False
        kind, size = _box(self._buffer, 0)
        if kind == b"moof":
            return self._step_fragment(size)
        is_long = size > _MAX_OTHER_BOX_BYTES and kind not in {b"moov", b"mdat"}
        if kind not in _TOP or 0 < size < 8 or is_long:
            return self._skip()
        if kind == b"moov" and 0 < size <= _MAX_OTHER_BOX_BYTES:
            if len(self._buffer) < size:
                return None
            self._tracks = _tracks(self._buffer[:size])
        self._pass_left = size or -1
        return self._step()

    def _step_fragment(self, moof_bytes: int) -> "_Step | None":
        if self._buffer[8:16] != _MFHD or not 16 < moof_bytes <= _MAX_BUFFERED_BYTES:
            return self._skip()
        # If another fragment begins before the end of this one, the length of this one is wrong.
        # The result does not depend on how the input is cut into chunks.
        if self._next_fragment(moof_bytes + _START_BYTES):
            return self._skip()
        if len(self._buffer) < moof_bytes + _START_BYTES:
            return None
        fragment = _Fragment.parse(bytes(self._buffer[:moof_bytes]), self._tracks)
        kind, mdat_bytes = _box(self._buffer, moof_bytes)
        if fragment is None or kind not in _TOP:
            return self._skip()
        if kind != b"mdat":
            return _Step(moof_bytes, passes=True)
        size = moof_bytes + mdat_bytes
        is_long_form = self._buffer[moof_bytes : moof_bytes + 4] == b"\0\0\0\x01"
        fits = fragment.fits(mdat_bytes - (16 if is_long_form else 8))
        # Some muxers write sizes that never fit; then the check would reject every fragment.
        self._must_fit = fits if self._must_fit is None else self._must_fit
        if self._must_fit and not fits:
            return self._skip()
        if mdat_bytes == 0 or size > _MAX_BUFFERED_BYTES:
            self._pass_left = size if mdat_bytes else -1
            return self._step()
        if self._next_fragment(size):
            return self._skip()
        return _Step(size, passes=True) if len(self._buffer) >= size else None

    def _begins_fragment(self) -> bool:
        return self._buffer[4:16] == b"moof" + _MFHD

    def _next_fragment(self, end: int) -> int:
        """Return the offset of the next ``moof`` after the start and before ``end``; 0: none."""
        found = self._buffer.find(b"moof" + _MFHD, max(5, self._searched), end)
        if found < 0:
            self._searched = min(end, len(self._buffer)) - _START_BYTES
            return 0
        return found - 4

    def _skip(self) -> "_Step | None":
        """Skip to the next fragment, or all bytes that cannot be the start of one."""
        self._is_skipping = True
        following = self._next_fragment(len(self._buffer))
        length = following or len(self._buffer) - _START_BYTES + 1
        return _Step(length, passes=False)


class _Step(NamedTuple):
    length: int
    passes: bool


class _Fragment(NamedTuple):
    """How many bytes of samples a ``moof`` describes; a lower bound unless ``is_exact``."""

    payload_bytes: int
    is_exact: bool

    @classmethod
    def parse(cls, moof: bytes, tracks: set[int]) -> "_Fragment | None":
        """Return the fragment; None if its boxes are inconsistent."""
        payload_bytes, is_exact, has_track = 0, True, False
        for kind, body in _boxes(moof[8:]):
            if kind not in _IN_MOOF:
                return None
            if kind == b"traf":
                sizes = _track_sizes(body, tracks)
                if sizes is None:
                    return None
                payload_bytes += sizes.payload_bytes
                is_exact = is_exact and sizes.is_exact
                has_track = True
        return cls(payload_bytes, is_exact) if has_track else None

    def fits(self, mdat_payload_bytes: int) -> bool:
        """Return whether an ``mdat`` of this size can hold the samples."""
        if self.is_exact:
            return self.payload_bytes == mdat_payload_bytes
        return self.payload_bytes <= mdat_payload_bytes <= _MAX_BUFFERED_BYTES


def _track_sizes(traf: bytes, tracks: set[int]) -> _Fragment | None:
    """Return the sample sizes of one track; None if the boxes are inconsistent.

    The flags of ``tfhd`` and ``trun`` determine their lengths (sections 8.8.7 and 8.8.8).
    """
    default_bytes: int | None = None
    payload_bytes, is_exact, has_header = 0, True, False
    for kind, body in _boxes(traf):
        if kind not in _IN_TRAF:
            return None
        if kind == b"tfhd":
            header = _parse_tfhd(body)
            if header is None or (tracks and header[0] not in tracks):
                return None
            default_bytes, has_header = header[1], True
        elif kind == b"trun":
            run_bytes = _run_bytes(body, default_bytes)
            if run_bytes is None:
                return None
            payload_bytes += max(0, run_bytes)
            is_exact = is_exact and run_bytes >= 0
    return _Fragment(payload_bytes, is_exact) if has_header else None


def _parse_tfhd(body: bytes) -> tuple[int, int | None] | None:
    """Return the track id and the default sample size; None if ``body`` is not a ``tfhd``."""
    if len(body) < 8:
        return None
    flags, track = struct.unpack_from(">I4x", body)[0], struct.unpack_from(">I", body, 4)[0]
    if flags & ~0x03003B:
        return None
    before_size = 8 + 8 * bool(flags & 0x1) + 4 * bool(flags & 0x2) + 4 * bool(flags & 0x8)
    if len(body) != before_size + 4 * bool(flags & 0x10) + 4 * bool(flags & 0x20):
        return None
    default = struct.unpack_from(">I", body, before_size)[0] if flags & 0x10 else None
    return track, default


def _run_bytes(body: bytes, default_bytes: int | None) -> int | None:
    """Return the total size of a run's samples; -1: not stated; None: not a ``trun``."""
    if len(body) < 8:
        return None
    flags, count = struct.unpack_from(">II", body)
    if flags & ~0x01000F05:
        return None
    fields = [bit for bit in (0x100, 0x200, 0x400, 0x800) if flags & bit]
    start = 8 + 4 * bool(flags & 0x1) + 4 * bool(flags & 0x4)
    if len(body) != start + 4 * len(fields) * count:
        return None
    if 0x200 not in fields:
        return -1 if default_bytes is None else default_bytes * count
    place = fields.index(0x200)
    values: tuple[int, ...] = struct.unpack_from(f">{len(fields) * count}I", body, start)
    return sum(values[place :: len(fields)])


def _tracks(moov: bytes | bytearray) -> set[int]:
    """Return the ids of the tracks that may have fragments (``trex``, section 8.8.3)."""
    found, position = set(), 0
    while (position := moov.find(b"\x00\x00\x00\x20trex", position)) >= 0:
        if len(moov) >= position + 16:
            found.add(struct.unpack_from(">I", moov, position + 12)[0])
        position += 8
    return found


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and body of each box in ``data``; an empty type where a box does not fit."""
    position = 0
    while position < len(data):
        if position + 8 > len(data):
            yield b"", b""
            return
        size, kind = struct.unpack_from(">I4s", data, position)
        if not 8 <= size <= len(data) - position:
            yield b"", b""
            return
        yield kind, data[position + 8 : position + size]
        position += size


def _box(buffer: bytearray, position: int) -> tuple[bytes, int]:
    size, kind = struct.unpack_from(">I4s", buffer, position)
    if size == 1 and len(buffer) >= position + 16:
        (size,) = struct.unpack_from(">Q", buffer, position + 8)
    return kind, size
