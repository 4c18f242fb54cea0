"""A search for a sync point continues where it was, and gives way to other tasks."""

import itertools
import re

from api.audio.framing.framer import Step
from api.audio.framing.searching import SearchingFramer
from tests.audio import cut


class LinesFramer(SearchingFramer):
    """Lines that end with a dot. After damage, a line that begins with ``>`` is a sync point."""

    _pattern = re.compile(rb">")
    _pattern_bytes = 2

    def __init__(self) -> None:
        super().__init__()
        self.examined = 0

    def _element(self, *, at_end: bool) -> Step | None:
        del at_end
        end = self._buffer.find(b".") + 1
        if self._buffer.startswith(b"#"):
            return self._lose()
        return Step(end, bytes(self._buffer[:end])) if end else None

    def _is_sync_point(
        self, position: int, end: int, *, is_whole: bool, at_end: bool
    ) -> bool | None:
        del end, is_whole, at_end
        self.examined += 1
        return self._buffer[position + 1 : position + 2].isalpha()


def test_damage_is_skipped_up_to_the_sync_point_however_it_is_cut() -> None:
    data = b">one.#damage > 2 >>two.three."
    for size in (1, 2, 5, 100):
        framer = LinesFramer()
        lines = [line for piece in cut(data, size) for line in framer.feed(piece) if line]
        assert lines == [b">one.", b">two.", b"three."]
        assert framer.skipped_bytes == len(b"#damage > 2 >")


def test_each_candidate_is_examined_once_and_a_few_in_one_step() -> None:
    framer = LinesFramer()
    steps = sum(1 for piece in cut(b"#" + b">" * 5000, 100) for _ in framer.feed(piece))
    assert framer.examined <= 5000
    assert steps >= 10
    at_once = LinesFramer()
    before = [at_once.examined for _ in at_once.feed(b"#" + b">" * 5000)]
    assert max(after - now for now, after in itertools.pairwise(before)) <= 500
