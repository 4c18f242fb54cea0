"""The framer of fragmented MP4 (ISO/IEC 14496-12): damage loses only the fragment it hits."""

import re
import struct

from api.audio.detection import begins_file
from api.audio.framing.framer import Step
from api.audio.framing.mp4_fragment import Fragment, box_at, track_ids
from api.audio.framing.searching import SearchingFramer

_MAX_BOX_BYTES = 4 * 1024 * 1024  # a longer fragment is passed on as it arrives
_MAX_INDEX_BYTES = 1024 * 1024  # of a moof; a longer moov is passed on as it arrives
_TO_THE_END = -1

# The type of a box: four characters, the first of which may be a copyright sign in QuickTime.
_TYPE = re.compile(rb"[\x20-\x7e\xa9][\x20-\x7e]{3}")


class Mp4Framer(SearchingFramer):
    """Passes an index, then pairs of ``moof`` and ``mdat``, and other boxes by their size.

    It passes a fragment on when it is complete and the sample sizes in ``moof`` fit the size of
    ``mdat``. A ``moof`` that begins with its usual header is a sync point, and so
    is ``ftyp``. A box that has one
    inside has a wrong size.

    Some fragments state where they begin in the file. That is corrected after damage, because
    ffmpeg counts only what was passed on.
    """

    _pattern = re.compile(
        rb".{4}moof\x00\x00\x00\x10mfhd|\x00\x00\x00.ftyp[\x20-\x7e]{4}", re.DOTALL
    )
    _pattern_bytes = 16

    def __init__(self) -> None:
        super().__init__()
        self._pass_left = 0  # bytes of a box that is passed on as it arrives
        self._tracks: frozenset[int] = frozenset()  # that may have fragments
        self._fragment: Fragment | None = None  # what the moof at the start of the buffer describes
        self._held_bytes = 0  # that moof, and the boxes after it
        self._must_fit: bool | None = None  # whether the sizes of the first fragment fit
        self._index = b""  # the boxes up to the first fragment
        self._has_known_bases = False  # whether its offsets are relative to its own start

    def _head(self) -> bytes | None:
        return self._index if self._tracks and self._must_fit is not None else None

    def _element(self, *, at_end: bool) -> Step | None:
        if self._pass_left:
            return self._pass_on()
        box = box_at(self._buffer, self._held_bytes)
        if box is None:
            return self._foreign(at_end=at_end) if at_end and not self._held_bytes else None
        kind, header_bytes, size = box
        if not _TYPE.match(kind) or (size < header_bytes and not (size == 0 and kind == b"mdat")):
            if not self._held_bytes:
                return self._foreign(at_end=at_end)
            match begins_file(self._buffer[self._held_bytes :], at_end=at_end):
                case None:
                    return None
                case is_file:
                    return self._end_file() if is_file else self._lose()
        if kind == b"ftyp" and self._start + self._held_bytes > 0:
            return self._end_file()
        match kind:
            case b"moof":
                return self._step_moof(size, at_end=at_end)
            case b"mdat":
                return self._step_mdat(header_bytes, size, at_end=at_end)
            case _:
                return self._step_other(kind, size, at_end=at_end)

    def _step_moof(self, size: int, *, at_end: bool) -> Step | None:
        if self._held_bytes:  # nothing belongs to the moof before this one
            held = bytes(self._buffer[: self._held_bytes])
            self._release()
            return Step(len(held), held[:4] + b"free" + held[8:])
        if size > _MAX_INDEX_BYTES:
            return self._lose()
        inside = self._find_sync_point(1, size, at_end=at_end)
        if not inside.is_whole:
            return self._not_whole(inside)
        if len(self._buffer) < size:
            return None
        self._fragment = Fragment.parse(bytes(self._buffer[:size]), self._tracks)
        if self._fragment is None:
            return self._lose()
        self._held_bytes = size
        return Step(0)

    def _step_mdat(self, header_bytes: int, size: int, *, at_end: bool) -> Step | None:
        if self._fragment is None:
            if self._must_fit:  # its moof was damaged
                return self._lose()
            return self._pass(size)
        length = self._held_bytes + size
        fits = self._fragment.fits(self._held_bytes + header_bytes, length)
        if self._must_fit is None:
            self._has_known_bases = self._fragment.has_bases(self._start)
        # Some muxers write sizes that never fit; then the check would reject every fragment.
        self._must_fit = fits if self._must_fit is None else self._must_fit
        if self._must_fit and not fits:
            return self._lose()
        if size == 0 or length > _MAX_BOX_BYTES:
            self._release()
            return self._pass(length if size else 0)
        inside = self._find_sync_point(1, length, at_end=at_end)
        if not inside.is_whole:
            return self._not_whole(inside)
        if len(self._buffer) < length:
            return None
        whole = bytes(self._buffer[:length])
        if self._has_known_bases:
            whole = self._fragment.with_bases(whole, self._passed_bytes)
        self._release()
        return Step(length, whole)

    def _step_other(self, kind: bytes, size: int, *, at_end: bool) -> Step | None:
        length = self._held_bytes + size
        is_long = length > (_MAX_INDEX_BYTES if kind == b"moov" else _MAX_BOX_BYTES)
        if is_long:
            return self._lose() if self._tracks or self._held_bytes else self._pass(size)
        inside = self._find_sync_point(1, length, at_end=at_end)
        if not inside.is_whole:
            return self._not_whole(inside)
        if len(self._buffer) < length:
            return None
        if self._held_bytes:
            self._held_bytes = length
            return Step(0)
        box = bytes(self._buffer[:length])
        if kind == b"moov":
            self._tracks = track_ids(box)
        if kind in {b"ftyp", b"moov"}:
            self._index += box
        return Step(length, box)

    def _end_file(self) -> Step:
        """Pass a moof on that has no audio; a new file begins behind it."""
        held = bytes(self._buffer[: self._held_bytes])
        self._release()
        return Step(len(held), held, ends_file=True)

    def _pass(self, length: int) -> Step:
        """Pass ``length`` bytes on as they arrive; 0: all up to the end."""
        self._pass_left = length or _TO_THE_END
        return Step(0)

    def _pass_on(self) -> Step:
        length = len(self._buffer)
        if self._pass_left != _TO_THE_END:
            length = min(length, self._pass_left)
            self._pass_left -= length
        return Step(length, bytes(self._buffer[:length]))

    def _lose(self) -> Step:
        self._release()
        return super()._lose()

    def _release(self) -> None:
        """Hold no moof any more."""
        self._fragment = None
        self._held_bytes = 0

    def _is_sync_point(
        self, position: int, end: int, *, is_whole: bool, at_end: bool
    ) -> bool | None:
        del end, is_whole, at_end
        size, kind = struct.unpack_from(">I4s", self._buffer, position)
        if kind == b"ftyp":
            return bool(size >= self._pattern_bytes)
        return bool(self._pattern_bytes < size <= _MAX_INDEX_BYTES)
