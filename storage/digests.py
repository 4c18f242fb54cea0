"""The digests of a recording and of its inputs, made from what is stored while it grows.

The audio is read once, in its order; the journal says to which input it belongs, and which kept
bytes belong there too. Nearly always the only input is raw PCM: then its digest is that of the
audio, and nothing is computed twice.
"""

import collections
from collections.abc import Callable, Mapping

import msgspec

from storage import journal
from storage.block_digest import BLOCK_BYTES, BlockDigest
from storage.checkpoint import Checkpoint
from storage.errors import StorageUnavailableError
from storage.journal import JOURNAL, Kept, KeptOpen, NextFile, Pcm, Unknown
from storage.pcm import Buffer

# Return bytes ``start`` to ``stop`` of kept input ``number``. Raises `StorageUnavailableError`.
ReadKept = Callable[[int, int, int], bytes]
ReadPcm = Callable[[int, int], bytes]

_READ_BYTES = 256 * 1024
_MAX_RANGES = 256
_INCOMPLETE = "a release without receipts has recorded some of it, or the journal was damaged"
_AUDIO = 0  # in place of the number of an input or a stream: the PCM of the recording


class _Range(msgspec.Struct, array_like=True):
    """Bytes ``start`` to ``stop`` of kept input ``number``, or of the PCM."""

    number: int
    start: int
    stop: int


class _Input:
    """One input: its digest, and where the bytes after the last whole block are."""

    def __init__(self, digest: BlockDigest, ranges: list[_Range]) -> None:
        self.digest = digest
        self.ranges = ranges

    def add(self, number: int, start: int, data: memoryview | bytes) -> None:
        self.digest.update(data)
        last = self.ranges[-1] if self.ranges else None
        if last is not None and (last.number, last.stop) == (number, start):
            last.stop += len(data)
        else:
            self.ranges.append(_Range(number, start, start + len(data)))
        extra = sum(each.stop - each.start for each in self.ranges)
        extra -= self.digest.size_bytes % BLOCK_BYTES
        while extra:
            cut = min(extra, self.ranges[0].stop - self.ranges[0].start)
            self.ranges[0].start += cut
            extra -= cut
            if self.ranges[0].start == self.ranges[0].stop:
                del self.ranges[0]


class SavedDigests(msgspec.Struct, array_like=True, frozen=True):
    """What `SessionDigests` needs to go on, except the digests of whole blocks."""

    journal_bytes: int
    pcm_bytes: int
    input: int
    skips: dict[int, int]
    opened: dict[int, tuple[int, int, int]]
    ranges: dict[int, list[_Range] | None]
    unknown: str


class SessionDigests:
    """The digests of the first ``pcm.size_bytes`` of a recording and of its inputs. Blocks."""

    def __init__(self, read_kept: ReadKept) -> None:
        self.pcm = BlockDigest()
        self.unknown = ""  # why the digests of the inputs cannot be known
        self._read_kept = read_kept
        self._inputs: dict[int, _Input | None] = {}  # None: the same bytes as the PCM so far
        self._journal_bytes = 0
        self._entries: collections.deque[journal.Entry] = collections.deque()
        self._input = 0  # whose PCM comes next
        self._skips: dict[int, int] = {}
        self._opened: dict[int, tuple[int, int, int]] = {}  # stream, its start, added up to

    def inputs(self) -> list[BlockDigest] | None:
        """Return the digest of each input, in the order of their first bytes; None if unknown."""
        if self.unknown:
            return None
        return [self.pcm if each is None else each.digest for each in self._inputs.values()]

    def follow(self, checkpoint: Checkpoint) -> None:
        """Read the journal that ``checkpoint`` counts. Call it before :meth:`add`."""
        if checkpoint.journal_bytes < self._journal_bytes or (
            checkpoint.chunk_count and not checkpoint.journal_bytes
        ):
            self._give_up(_INCOMPLETE)
        if self.unknown or self._journal_bytes >= checkpoint.journal_bytes:
            return
        try:
            data = self._read_kept(JOURNAL, self._journal_bytes, checkpoint.journal_bytes)
            self._entries.extend(journal.decode(data))
        except (OSError, StorageUnavailableError) as error:
            self._give_up(f"the journal could not be read: {error}")
        self._journal_bytes = checkpoint.journal_bytes

    def add(self, pcm: bytes) -> None:
        """Add the PCM that follows."""
        view, at = memoryview(pcm), self.pcm.size_bytes
        stop = at + len(pcm)
        while True:
            self._apply_entries(at)
            until = min(stop, self._entries[0].at) if self._entries else stop
            part, view = view[: until - at], view[until - at :]
            self._add_pcm(at, part)
            at = until
            if at == stop:
                break
        self._apply_entries(at)

    def settle(self, checkpoint: Checkpoint) -> None:
        """Add the input that is kept up to ``checkpoint`` and is not PCM."""
        for name, (number, _, added) in list(self._opened.items()):
            kept_bytes = checkpoint.stream(number).kept_bytes
            if kept_bytes > added:
                self._add_kept(name, number, added, kept_bytes)

    def advance(self, checkpoint: Checkpoint, read_pcm: ReadPcm, most_bytes: int) -> None:
        """Add all of ``checkpoint``, but at most ``most_bytes`` of audio.

        Raises what ``read_pcm`` raises; then the call can be repeated.
        """
        self.follow(checkpoint)
        stop = min(checkpoint.pcm_bytes, self.pcm.size_bytes + most_bytes)
        self.add(b"")
        while self.pcm.size_bytes < stop:
            start = self.pcm.size_bytes
            self.add(read_pcm(start, min(stop, start + _READ_BYTES)))
        if stop == checkpoint.pcm_bytes:
            self.settle(checkpoint)

    def save(self) -> SavedDigests | None:
        """Return the state; None if it would be large."""
        ranges = {name: None if each is None else each.ranges for name, each in self._each()}
        if self._entries or sum(len(each or ()) for each in ranges.values()) > _MAX_RANGES:
            return None
        return SavedDigests(
            self._journal_bytes,
            self.pcm.size_bytes,
            self._input,
            self._skips,
            self._opened,
            ranges,
            self.unknown,
        )

    def whole_blocks(self) -> dict[int, BlockDigest]:
        """Return the digests that have blocks of their own, by input; 0: the PCM."""
        own = {name: each.digest for name, each in self._each() if each is not None}
        return {_AUDIO: self.pcm, **own}

    def restore(self, saved: SavedDigests, whole: Mapping[int, Buffer], read_pcm: ReadPcm) -> None:
        """Continue from ``saved``; ``whole`` are the digests of whole blocks.

        Reads less than a block of each. Raises as `advance` does. If kept input is missing, the
        digests of the inputs are unknown.
        """
        self._journal_bytes, self.unknown = saved.journal_bytes, saved.unknown
        self._input, self._skips, self._opened = saved.input, saved.skips, saved.opened
        self.pcm.restore(whole.get(_AUDIO, b""))
        self.pcm.update(read_pcm(self.pcm.size_bytes, saved.pcm_bytes))
        for name, ranges in saved.ranges.items():
            if ranges is None:
                self._inputs[name] = None
                continue
            restored = self._inputs[name] = _Input(BlockDigest(), ranges)
            restored.digest.restore(whole.get(name, b""))
            for each in ranges:
                if each.number == _AUDIO:
                    restored.digest.update(read_pcm(each.start, each.stop))
                    continue
                try:
                    kept = self._read_kept(each.number, each.start, each.stop)
                except (OSError, StorageUnavailableError) as error:
                    self._give_up(f"kept input could not be read: {error}")
                    return
                restored.digest.update(kept)

    def _each(self) -> list[tuple[int, _Input | None]]:
        return list(self._inputs.items())

    def _apply_entries(self, at: int) -> None:
        while self._entries and self._entries[0].at <= at:
            self._apply(self._entries.popleft())

    def _apply(self, entry: journal.Entry) -> None:
        match entry:
            case Kept(_, name, number, start, stop):
                opened = self._opened.get(name, (0, 0, 0))
                added = opened[2] if opened[:2] == (number, start) else start
                self._add_kept(name, number, added, stop)
                self._opened.pop(name, None)
            case KeptOpen(_, name, number, start):
                if self._opened.get(name, (0, 0, 0))[:2] != (number, start):
                    self._opened[name] = number, start, start
            case Pcm(at, name, skip):
                self._begin_pcm(at, name, skip)
            case Unknown():
                self._give_up(_INCOMPLETE)
            case NextFile():
                pass  # for those who write the journal

    def _begin_pcm(self, at: int, name: int, skip: int) -> None:
        if self._input != name:
            self._own(self._input)
        self._input = name
        if not name:
            return
        if name not in self._inputs and not at and not skip:
            self._inputs[name] = None
        else:
            self._own(name)
        if skip:
            self._skips[name] = self._skips.get(name, 0) + skip

    def _own(self, name: int) -> _Input | None:
        """Return the input, which from now on has other bytes than the PCM."""
        if not name:
            return None
        if name not in self._inputs:
            self._inputs[name] = _Input(BlockDigest(), [])
        found = self._inputs[name]
        if found is None:
            size_bytes = self.pcm.size_bytes
            partial = _Range(_AUDIO, size_bytes - size_bytes % BLOCK_BYTES, size_bytes)
            ranges = [partial] if partial.start < partial.stop else []
            found = self._inputs[name] = _Input(self.pcm.copy(), ranges)
        return found

    def _add_pcm(self, at: int, pcm: memoryview) -> None:
        self.pcm.update(pcm)
        found = self._inputs.get(self._input)
        if found is None or not pcm:
            return
        skipped = min(self._skips.get(self._input, 0), len(pcm))
        if skipped:
            self._skips[self._input] -= skipped
        if skipped < len(pcm):
            found.add(_AUDIO, at + skipped, pcm[skipped:])

    def _add_kept(self, name: int, number: int, start: int, stop: int) -> None:
        found = self._own(name)
        while start < stop and found is not None:
            try:
                data = self._read_kept(number, start, min(stop, start + _READ_BYTES))
            except (OSError, StorageUnavailableError) as error:
                self._give_up(f"kept input could not be read: {error}")
                return
            found.add(number, start, data)
            start += len(data)
        if name in self._opened:
            self._opened[name] = (*self._opened[name][:2], start)

    def _give_up(self, reason: str) -> None:
        self.unknown = reason
        self._inputs.clear()
        self._entries.clear()
        self._opened.clear()
        self._input = 0
