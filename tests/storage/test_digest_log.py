"""After a crash the digests go on at the last whole record."""

import msgspec
import pytest

from storage import journal
from storage.block_digest import BLOCK_BYTES
from storage.checkpoint import Checkpoint
from storage.digest_log import DigestLog
from storage.digests import SessionDigests
from storage.errors import StorageUnavailableError
from storage.journal import JOURNAL, Entry, Kept, NextFile, Pcm
from storage.receipt import digested
from tests.audio import pcm
from tests.storage.test_block_digest import by_definition

AUDIO = pcm(2 * BLOCK_BYTES + 1000)
ENTRIES: list[Entry] = [NextFile(0, 1, 1, 0), Kept(0, 1, 1, 0, 4), Pcm(0, 1, 0)]
KEPT = {
    0: b"".join(map(journal.encode, ENTRIES)),
    1: b"head",
}


def read_kept(number: int, start: int, stop: int) -> bytes:
    return KEPT[number][start:stop]


def read_audio(start: int, stop: int) -> bytes:
    return AUDIO[start:stop]


def checkpoint(pcm_bytes: int) -> Checkpoint:
    return Checkpoint(1, pcm_bytes, journal_bytes=len(KEPT[0]))


def logged(*lengths: int) -> tuple[SessionDigests, list[bytes]]:
    digests, log, records = SessionDigests(read_kept), DigestLog(), []
    for length in lengths:
        digests.advance(checkpoint(length), read_audio, 10**9)
        assert log.is_due(digests)
        records.append(log.next_record(digests))
        log.wrote(records[-1])
        assert not log.is_due(digests)
    return digests, records


@pytest.mark.parametrize("damage", [b"", b"\0" * 100, b"half a record"])
def test_digests_continue_behind_the_last_whole_record(damage: bytes) -> None:
    whole, records = logged(BLOCK_BYTES + 10, 3 * BLOCK_BYTES + 6)
    read = []

    def note(start: int, stop: int) -> bytes:
        read.append(stop - start)
        return AUDIO[start:stop]

    found = DigestLog().restore(b"".join(records) + damage, read_kept, note, pcm_bytes=len(AUDIO))
    assert found.pcm.size_bytes == 3 * BLOCK_BYTES + 6
    assert sum(read) < 2 * BLOCK_BYTES
    for each in (found, whole):
        each.advance(checkpoint(len(AUDIO)), read_audio, 10**9)
    for one, other in zip(found.inputs() or [], whole.inputs() or [], strict=True):
        assert digested(one) == digested(other)
    assert digested(found.pcm) == digested(whole.pcm)


def test_records_of_more_audio_than_there_is_do_not_count() -> None:
    _, records = logged(BLOCK_BYTES + 10, 3 * BLOCK_BYTES)
    found = DigestLog().restore(b"".join(records), read_kept, read_audio, pcm_bytes=2 * BLOCK_BYTES)
    assert found.pcm.size_bytes == BLOCK_BYTES + 10


def test_without_kept_input_only_the_digests_of_the_inputs_are_unknown() -> None:
    end = Kept(BLOCK_BYTES + 2, 1, 1, 4, 8)
    kept = {JOURNAL: KEPT[JOURNAL] + journal.encode(end), 1: b"head end"}
    whole, log = SessionDigests(lambda number, start, stop: kept[number][start:stop]), DigestLog()
    counted = Checkpoint(1, BLOCK_BYTES + 10, journal_bytes=len(kept[JOURNAL]))
    whole.advance(counted, read_audio, 10**9)

    def missing(number: int, start: int, stop: int) -> bytes:
        raise StorageUnavailableError(f"input {number} is missing")

    found = DigestLog().restore(
        log.next_record(whole), missing, read_audio, pcm_bytes=counted.pcm_bytes
    )
    assert found.pcm.size_bytes == counted.pcm_bytes
    found.advance(msgspec.structs.replace(counted, pcm_bytes=len(AUDIO)), read_audio, 10**9)
    assert found.inputs() is None
    assert "input 1 is missing" in found.unknown
    assert found.pcm.hexdigest() == by_definition(AUDIO)


@pytest.mark.parametrize("is_written", [False, True])
def test_a_record_whose_write_failed_is_in_the_next_one(is_written: bool) -> None:
    """Also if it is there nevertheless, because only the answer of the store was lost."""
    digests, log, records = SessionDigests(read_kept), DigestLog(), []
    for length, has_failed in ((BLOCK_BYTES + 10, False), (2 * BLOCK_BYTES, True), (None, False)):
        digests.advance(checkpoint(length or len(AUDIO)), read_audio, 10**9)
        new = log.next_record(digests)
        if not has_failed:
            log.wrote(new)
        if is_written or not has_failed:
            records.append(new)
    restored = DigestLog()
    found = restored.restore(b"".join(records), read_kept, read_audio, pcm_bytes=len(AUDIO))
    assert restored.size_bytes == sum(map(len, records))
    assert found.pcm.hexdigest() == by_definition(AUDIO)
    assert [digested(each) for each in found.inputs() or []] == [
        digested(each) for each in digests.inputs() or []
    ]
