"""What the framers have in common that search for a sync point by a pattern."""

import re
from abc import abstractmethod
from typing import NamedTuple

from api.audio.framing.framer import ContainerFramer, Step

# A search that examines this many candidates continues in the next step.
_CANDIDATES_PER_STEP = 500


class Search(NamedTuple):
    """The result of a search: where the sync point is, else why there is none.

    ``is_whole``: there is none. ``is_paused``: the search continues in the next step. Neither: it
    continues after more bytes have arrived.
    """

    position: int | None
    is_whole: bool = False
    is_paused: bool = False


class SearchingFramer(ContainerFramer):
    """A framer that finds sync points by a pattern.

    `_pattern` matches the beginning of every sync point, at most `_pattern_bytes` bytes of it.
    """

    _pattern: re.Pattern[bytes]
    _pattern_bytes: int

    def __init__(self) -> None:
        super().__init__()
        self._searched = 0  # the search continues at this offset of the buffer

    @abstractmethod
    def _is_sync_point(
        self, position: int, end: int, *, is_whole: bool, at_end: bool
    ) -> bool | None:
        """Return whether the match of the pattern at ``position`` is a sync point.

        What the decision needs must lie before ``end``. None: that is not known before more bytes
        have arrived; never if ``is_whole``.
        """

    def _consume(self, length: int) -> None:
        super()._consume(length)
        self._searched = 0

    def _not_whole(self, inside: Search) -> Step | None:
        """Return the step for an element that has, or may have, a sync point ``inside``."""
        if inside.position is not None:
            return self._lose()
        return Step(0) if inside.is_paused else None

    def _resynchronize(self, *, at_end: bool) -> Step | None:
        found = self._find_sync_point(0, None, at_end=at_end)
        if found.position is not None:
            self._is_lost = False
            return Step(found.position, is_damage=True)
        if self._searched:
            return Step(self._searched, is_damage=True)
        return Step(0) if found.is_paused else None

    def _find_sync_point(self, start: int, length: int | None, *, at_end: bool) -> Search:
        """Search for the first sync point from ``start`` on.

        With ``length``, it must lie within the first ``length`` bytes of the buffer.
        """
        end = len(self._buffer) if length is None else min(length, len(self._buffer))
        is_whole = at_end or end == length
        position = max(start, self._searched)
        for _ in range(_CANDIDATES_PER_STEP):
            candidate = self._pattern.search(self._buffer, position, end)
            undecided = end if is_whole else max(position, end - self._pattern_bytes + 1)
            if candidate is None or candidate.start() >= undecided:
                self._searched = undecided
                return Search(None, is_whole=is_whole)
            position = candidate.start()
            is_sync_point = self._is_sync_point(position, end, is_whole=is_whole, at_end=at_end)
            if is_sync_point is None:
                self._searched = position
                return Search(None)
            if is_sync_point:
                return Search(position)
            position += 1
        self._searched = position
        return Search(None, is_paused=True)


class FrameFramer(SearchingFramer):
    """A framer of frames with a length in their header, of which `_pattern_bytes` are enough.

    A sync point is a frame that another one of the same stream follows, or the last frame.
    """

    @abstractmethod
    def _frame_bytes(self, head: bytes) -> int | None:
        """Return the length of the frame at the start of ``head``.

        0: there is no frame. None: the header is incomplete.
        """

    @abstractmethod
    def _fixed_header(self, head: bytes) -> bytes:
        """Return the header fields that are the same in all frames of a stream."""

    def _is_sync_point(
        self, position: int, end: int, *, is_whole: bool, at_end: bool
    ) -> bool | None:
        head = bytes(self._buffer[position : min(end, position + self._pattern_bytes)])
        length = self._frame_bytes(head)
        if not length:
            return None if length is None and not is_whole else False
        position += length
        if at_end and position == len(self._buffer):
            return True
        if position + self._pattern_bytes > end:
            return False if is_whole else None
        following = bytes(self._buffer[position : position + self._pattern_bytes])
        is_frame = self._frame_bytes(following) != 0
        return is_frame and self._fixed_header(head) == self._fixed_header(following)
