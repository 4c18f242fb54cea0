"""The digests so far, as records that are appended while a recording grows.

After a crash the next process reads them, and less than a block of each digest again. They are a
copy of what is persisted, so that nothing needs to make them durable: a damaged record and all
behind it are ignored, and the bytes are read again.
"""

from collections.abc import Iterable

import msgspec

from storage import record
from storage.digests import ReadKept, ReadPcm, SavedDigests, SessionDigests

_DIGEST_BYTES = 32


class _Saved(msgspec.Struct, array_like=True, frozen=True):
    """A state, and the digests of the blocks that have become whole since the record before."""

    digests: SavedDigests
    blocks: dict[int, tuple[int, bytes]]  # by input: the number of the first, then 32 bytes each


class DigestLog:
    """Encodes what is new, and restores all of it. ``size_bytes`` are those of whole records."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self._saved_blocks: dict[int, int] = {}

    def is_due(self, digests: SessionDigests) -> bool:
        """Return whether a block of the audio has become whole since the last record."""
        return digests.pcm.whole_blocks > self._saved_blocks.get(0, 0)

    def next_record(self, digests: SessionDigests) -> bytes:
        """Return the record of what is new; empty if the state would be large.

        Call :meth:`wrote` after it is written; until then, the next record has it too.
        """
        state = digests.save()
        if state is None:
            return b""
        blocks = {}
        for name, each in digests.whole_blocks().items():
            first = self._saved_blocks.get(name, 0)
            blocks[name] = first, each.whole_from(first)
        return record.encode(msgspec.msgpack.encode(_Saved(state, blocks)))

    def wrote(self, new: bytes) -> None:
        """Note that the record is written."""
        for saved, _ in _whole_records(new):
            for name, (first, more) in saved.blocks.items():
                self._saved_blocks[name] = first + len(more) // _DIGEST_BYTES
        self.size_bytes += len(new)

    def restore(
        self, data: bytes, read_kept: ReadKept, read_pcm: ReadPcm, *, pcm_bytes: int
    ) -> SessionDigests:
        """Return the digests after the last record that is whole and of ``pcm_bytes`` or less.

        Raises what ``read_pcm`` raises.
        """
        last: SavedDigests | None = None
        blocks: dict[int, bytearray] = {}
        self.size_bytes = 0
        for saved, length in _whole_records(data):
            if saved.digests.pcm_bytes > pcm_bytes or any(
                first * _DIGEST_BYTES > len(blocks.get(name, b""))
                for name, (first, _) in saved.blocks.items()
            ):
                break
            last = saved.digests
            self.size_bytes += length
            for name, (first, more) in saved.blocks.items():
                # A record that was written, although the store said otherwise, is there twice.
                blocks.setdefault(name, bytearray())[first * _DIGEST_BYTES :] = more
        digests = SessionDigests(read_kept)
        if last is not None:
            digests.restore(last, blocks, read_pcm)
        self._saved_blocks = {name: len(each) // _DIGEST_BYTES for name, each in blocks.items()}
        return digests


def _whole_records(data: bytes) -> Iterable[tuple[_Saved, int]]:
    """Yield the records and their lengths, up to the first that is damaged."""
    for payload in record.split(data):
        try:
            saved = msgspec.msgpack.decode(payload, type=_Saved)
        except (msgspec.MsgspecError, ValueError):
            return
        yield saved, record.PREFIX_BYTES + len(payload)
