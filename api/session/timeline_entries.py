"""The entries of a timeline that one process adds: a pure object. See `storage.timeline`."""

from collections.abc import Iterable

from storage import timeline
from storage.checkpoint import Checkpoint

_OMISSIONS_GROWTH = 1.1


class TimelineEntries:
    """The entries that are not written yet, and how many the timeline has of each kind.

    It lists a bounded number of each kind, and counts the others in ``omitted``.
    """

    __slots__ = (
        "_counts",
        "_written_omissions",
        "omitted",
        "unwritten",
    )

    def __init__(self) -> None:
        self.unwritten: list[timeline.Entry] = []
        self.omitted = timeline.Omissions()
        self._written_omissions = 0
        self._counts: dict[type, int] = {}

    def count(self, kind: type) -> int:
        """Return how many entries of a kind are listed."""
        return self._counts.get(kind, 0)

    def add(self, entry: timeline.Entry) -> bool:
        """List an entry. Return False if there are too many: then it is counted only."""
        count = self.count(type(entry))
        is_short = isinstance(entry, timeline.Late) and entry.seconds < timeline.least_gap_seconds(
            count
        )
        if is_short or count >= timeline.MAX_ENTRIES:
            self._omit(entry)
            return False
        self._counts[type(entry)] = count + 1
        self.unwritten.append(entry)
        return True

    def add_omissions(self) -> bool:
        """Add the count of what is not listed. Return False if it is written already."""
        if self.omitted.count == self._written_omissions:
            return False
        self._written_omissions = self.omitted.count
        self.unwritten.append(timeline.Omitted(self.omitted))
        return True

    def encode(self) -> bytes:
        """Return the records of the entries that are not written yet."""
        return b"".join(map(timeline.encode_entry, self.unwritten))

    def wrote(self) -> None:
        """Note that all entries are written."""
        self.unwritten.clear()

    def restore(self, entries: Iterable[timeline.Entry], checkpoint: Checkpoint) -> None:
        """Continue after ``entries`` of another process, which ended at ``checkpoint``."""
        for entry in entries:
            self._counts[type(entry)] = self.count(type(entry)) + 1
            if isinstance(entry, timeline.Omitted):
                self.omitted = entry.omissions
        self._written_omissions = self.omitted.count
        if checkpoint.timeline_bytes and self.count(timeline.Opened) < timeline.MAX_ENTRIES:
            # Written with the next entry: a recording that was being completed must not change.
            last_at, chunk_count = checkpoint.written_at, checkpoint.chunk_count
            self.unwritten.append(timeline.Opened(last_at, checkpoint.pcm_bytes, chunk_count))

    def _omit(self, entry: timeline.Entry) -> None:
        """Count an entry. The count is written when it has grown by a tenth, and at the end."""
        self.omitted = self.omitted.plus(entry)
        if self.omitted.count >= self._written_omissions * _OMISSIONS_GROWTH:
            self.add_omissions()
