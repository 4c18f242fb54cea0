"""Digests are made from the audio, the journal and kept input.

tests/api/session/test_input_journal.py drives them with whole sessions.
"""

from storage import journal
from storage.checkpoint import Checkpoint, StreamCheckpoint
from storage.digests import SessionDigests
from storage.errors import StorageUnavailableError
from storage.journal import JOURNAL, Entry, Kept, KeptOpen, NextFile, Pcm, Unknown
from storage.receipt import Digested, digested
from tests.audio import pcm
from tests.storage.test_block_digest import by_definition

AUDIO = pcm(3000)


class Store:
    """Kept input in memory."""

    def __init__(self, *entries: Entry, **kept: bytes) -> None:
        self.kept = {int(name[1:]): data for name, data in kept.items()}
        self.kept[JOURNAL] = b"".join(map(journal.encode, entries))
        self.read_bytes = 0

    def checkpoint(self, *streams: StreamCheckpoint, pcm_bytes: int = len(AUDIO)) -> Checkpoint:
        return Checkpoint(1, pcm_bytes, streams, journal_bytes=len(self.kept[JOURNAL]))

    def read(self, number: int, start: int, stop: int) -> bytes:
        if len(self.kept.get(number, b"")) < stop:
            raise StorageUnavailableError("it is missing")
        self.read_bytes += stop - start
        return self.kept[number][start:stop]


def audio(start: int, stop: int) -> bytes:
    return AUDIO[start:stop]


def expected(data: bytes) -> Digested:
    return Digested(bytes=len(data), digest=by_definition(data))


def inputs(digests: SessionDigests) -> list[Digested]:
    return [digested(each) for each in digests.inputs() or []]


def test_raw_pcm_alone_is_digested_once() -> None:
    store = Store(NextFile(0, 1, 1, 0), Pcm(0, 1))
    digests = SessionDigests(store.read)
    digests.advance(store.checkpoint(), audio, 10**9)
    assert digests.inputs() == [digests.pcm]
    assert inputs(digests) == [expected(AUDIO)]


def test_inputs_have_their_pcm_and_their_kept_bytes_in_order() -> None:
    store = Store(
        NextFile(0, 1, 1, 0),
        Pcm(0, 1),
        NextFile(1000, 2, 2, 0),
        Kept(1000, 2, 2, 0, 4),
        Pcm(1000, 2, 6),
        Pcm(2000, 1),
        Pcm(5000, 0),
        _2=b"head",
    )
    digests = SessionDigests(store.read)
    for until in range(500, len(AUDIO) + 1, 500):
        digests.advance(store.checkpoint(pcm_bytes=until), audio, 300)
    digests.advance(store.checkpoint(), audio, 10**9)
    first, second = AUDIO[:1000] + AUDIO[2000:5000], b"head" + AUDIO[1006:2000]
    assert inputs(digests) == [expected(first), expected(second)]


def test_kept_input_of_an_open_stream_is_read_once() -> None:
    store = Store(NextFile(0, 1, 1, 0), KeptOpen(0, 1, 1, 0), Pcm(0, 0), _1=b"compressed")
    digests = SessionDigests(store.read)
    digests.advance(store.checkpoint(StreamCheckpoint(1, 4, 0, b"")), audio, 10**9)
    store.kept[JOURNAL] += journal.encode(Kept(len(AUDIO), 1, 1, 0, 10))
    store.read_bytes = -len(store.kept[JOURNAL])  # what is new of it
    digests.advance(store.checkpoint(), audio, 10**9)
    assert inputs(digests) == [expected(b"compressed")]
    assert store.read_bytes <= 6


def test_inputs_are_unknown_if_kept_bytes_are_missing() -> None:
    store = Store(NextFile(0, 1, 1, 0), Kept(0, 1, 1, 0, 4))
    digests = SessionDigests(store.read)
    digests.advance(store.checkpoint(), audio, 10**9)
    assert digests.inputs() is None
    assert "missing" in digests.unknown
    assert digested(digests.pcm) == expected(AUDIO)


def test_inputs_are_unknown_without_a_journal() -> None:
    digests = SessionDigests(Store().read)
    digests.advance(Checkpoint(1, len(AUDIO)), audio, 10**9)
    assert digests.inputs() is None


def test_a_journal_that_was_begun_again_is_not_followed() -> None:
    """A release without a journal has recorded in between."""
    store = Store(NextFile(0, 1, 1, 0), Pcm(0, 1))
    digests = SessionDigests(store.read)
    digests.advance(store.checkpoint(pcm_bytes=1000), audio, 10**9)
    store.kept[JOURNAL] = journal.encode(Unknown(2000))
    digests.advance(store.checkpoint(), audio, 10**9)
    assert digests.inputs() is None
    assert "journal" in digests.unknown
    assert digested(digests.pcm) == expected(AUDIO)
