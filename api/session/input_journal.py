"""What the journal of a session must say about the bytes of its inputs: a pure object.

An input stream reports what becomes of its bytes; `CheckpointWriter` writes the entries
together with the audio and the counts they belong to. See `storage.journal`.
"""

import enum
from collections.abc import Iterable

import msgspec

from storage import journal
from storage.journal import Entry, Kept, KeptOpen, NextFile, Pcm, Unknown


class _Way(enum.Enum):
    """Where the bytes of a file are."""

    UNDECIDED = "undecided"
    PCM = "pcm"
    KEPT = "kept"


class _File(msgspec.Struct):
    """A file of ``input``. Its kept bytes before ``start`` are accounted for."""

    input: int
    start: int = 0
    way: _Way = _Way.UNDECIDED


class InputJournal:
    """The entries that are not written yet, and what the written ones say.

    ``at`` is the length of the recording in bytes, ``number`` that of a stream.
    """

    __slots__ = (
        "_covered",
        "_files",
        "unwritten",
        "writer",
    )

    def __init__(self) -> None:
        self.unwritten = b""
        self.writer = -1  # the stream that has added the last PCM, as the journal says
        self._files: dict[int, _File] = {}
        self._covered: dict[int, int] = {}  # PCM of restored streams that is still to be skipped

    @property
    def last_number(self) -> int:
        """Return the highest number of a stream, 0 if there was none."""
        return max(self._files, default=0)

    def restore(self, entries: Iterable[Entry], pcm_bytes: int) -> None:
        """Continue after ``entries``, at ``pcm_bytes`` of audio."""
        latest: dict[int, int] = {}  # the last file of each input
        left: dict[int, int] = {}
        name = at = 0
        for entry in (*entries, Unknown(pcm_bytes)):
            left[name] = max(0, left.get(name, 0) - (entry.at - at))
            at = entry.at
            match entry:
                case NextFile(_, of, number, start):
                    self._files[number], latest[of] = _File(of, start), number
                case KeptOpen(_, _, number, start):
                    self._files[number] = msgspec.structs.replace(
                        self._files[number], start=start, way=_Way.KEPT
                    )
                case Pcm(_, of, skip) if of:
                    name, self.writer = of, latest[of]
                    self._files[latest[of]].way = _Way.PCM
                    left[of] = left.get(of, 0) + skip
                case Pcm():
                    name, self.writer = 0, -1
        self._covered = {latest[of]: bytes_ for of, bytes_ in left.items() if of and bytes_}

    def begin_without_history(self, at: int) -> None:
        """Note that the journal lacks what a release without one has recorded."""
        self._add(Unknown(at))

    def begin_file(self, at: int, number: int, *, after: int | None = None, start: int = 0) -> None:
        """Note the first bytes of a stream: of a new input, or of that of stream ``after``.

        The first ``start`` kept bytes are in what is kept of ``after`` too.
        """
        if number in self._files:
            return
        of = number if after is None else self._files[after].input
        self._files[number] = _File(of, start)
        self._add(NextFile(at, of, number, start))

    def pass_through(
        self, at: int, number: int, *, kept_bytes: int, pcm_bytes: int, pending_bytes: int
    ) -> bool:
        """Note once that the stream is PCM. Return whether its head stays in the kept input.

        Its head of ``kept_bytes`` gave ``pcm_bytes`` from ``at`` on, and ``pending_bytes`` of the
        next frame.
        """
        file = self._files[number]
        if file.way is not _Way.UNDECIDED:
            return False
        file.way = _Way.PCM
        if not file.start and kept_bytes == pcm_bytes + pending_bytes:
            return False
        self.keep(at, number, file.start, kept_bytes, skip=pcm_bytes + pending_bytes)
        return True

    def kept_twice_bytes(self, number: int) -> int:
        """Return how many of the first kept bytes are in what is kept of the file before, too."""
        return self._files[number].start

    def keep(self, at: int, number: int, start: int, stop: int, *, skip: int = 0) -> None:
        """Note that kept bytes of a stream that passes through are next in its input.

        They gave the first ``skip`` bytes of the PCM that follows, beyond those that earlier kept
        bytes gave.
        """
        file = self._files[number]
        if stop > start:
            self._add(Kept(at, file.input, number, start, stop))
        self._add(Pcm(at, file.input, skip))
        self.writer = number

    def keep_all(self, at: int, number: int, start: int | None = None) -> None:
        """Note once that everything of the stream is kept from now on, from ``start``."""
        file = self._files[number]
        if file.way is not _Way.KEPT:
            file.start = file.start if start is None else start
            file.way = _Way.KEPT
            self._add(KeptOpen(at, file.input, number, file.start))

    def end_file(self, at: int, number: int, kept_bytes: int) -> None:
        """Note the end of a stream of which ``kept_bytes`` are kept."""
        file = self._files.get(number)
        if file is not None and file.way is not _Way.PCM and kept_bytes > file.start:
            self._add(Kept(at, file.input, number, file.start, kept_bytes))

    def covered_bytes(self, number: int) -> int:
        """Return how much of the next PCM of a restored stream is in kept bytes."""
        return self._covered.get(number, 0)

    def switch(self, at: int, number: int, *, passes: bool) -> bytes:
        """Return the entry for PCM of another stream than `writer`."""
        of = self._files[number].input if passes else 0
        return journal.encode(Pcm(at, of))

    def wrote(self, writer: int) -> None:
        """Note that all entries are written, and PCM of the stream ``writer``."""
        self.unwritten, self.writer = b"", writer

    def _add(self, entry: Entry) -> None:
        self.unwritten += journal.encode(entry)
