"""The journal survives as whole records only."""

import pytest

from storage import journal
from storage.errors import BadObjectError
from storage.journal import Entry, Kept, KeptOpen, NextFile, Pcm, Unknown

ENTRIES: list[Entry] = [
    NextFile(0, 1, 1, 0),
    KeptOpen(0, 1, 1, 0),
    Kept(2**40, 1, 1, 0, 44),
    Pcm(2**40, 1, 3),
    Unknown(7),
]


def test_entries_are_decoded_as_they_were_encoded() -> None:
    assert list(journal.decode(b"".join(map(journal.encode, ENTRIES)))) == ENTRIES


@pytest.mark.parametrize("cut", [1, 9])
def test_a_journal_that_was_cut_is_damaged(cut: int) -> None:
    with pytest.raises(BadObjectError):
        list(journal.decode(b"".join(map(journal.encode, ENTRIES))[:-cut]))
