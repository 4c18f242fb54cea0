import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest

from storage.checkpoint import Checkpoint, StreamCheckpoint
from storage.errors import StorageUnavailableError
from storage.s3.writing.spool import Spool, remove
from storage.volume.paths import SessionPaths
from tests.audio import pcm
from tests.damage import damaged
from tests.descriptors import few_descriptors, open_descriptors
from tests.storage.conftest import new_manifest

MANIFEST = new_manifest()
MARK_BYTES = 1000
AUDIO = pcm(5000)


class Spools:
    """The spools of one session, as successive processes of one node create them."""

    def __init__(self, folder: Path) -> None:
        self.paths = SessionPaths(folder, UUID(MANIFEST.session_id))
        self._opened: list[Spool] = []

    def create(self) -> Spool:
        self._opened.append(Spool.create(self.paths, MANIFEST, MARK_BYTES, epoch=1))
        return self._opened[-1]

    def recover(self) -> Spool | None:
        self.close()
        if spool := Spool.recover(self.paths, MANIFEST, MARK_BYTES):
            self._opened.append(spool)
        return spool

    def recovered(self) -> Spool:
        spool = self.recover()
        assert spool is not None
        return spool

    def close(self) -> None:
        for spool in self._opened:
            spool.close()


@pytest.fixture
def spools(tmp_path: Path) -> Iterator[Spools]:
    spools = Spools(tmp_path)
    yield spools
    spools.close()


def append(spool: Spool, size_bytes: int) -> Checkpoint:
    start = spool.checkpoint.pcm_bytes
    checkpoint = Checkpoint(spool.checkpoint.chunk_count + 1, start + size_bytes)
    spool.append(AUDIO[start : start + size_bytes], checkpoint)
    return checkpoint


def targets(spool: Spool) -> list[Checkpoint]:
    """Return the ends of all segments from the beginning on."""
    found = [Checkpoint()]
    while (target := spool.next_segment_end(found[-1])) != found[-1]:
        found.append(target)
    return found[1:]


def test_a_backlog_is_uploaded_mark_by_mark_and_the_rest_as_one_segment(spools: Spools) -> None:
    spool = spools.create()
    checkpoints = [append(spool, 600) for _ in range(9)]
    assert targets(spool) == [checkpoints[each] for each in (1, 3, 5, 8)]


def test_marks_survive_the_process(spools: Spools) -> None:
    spool = spools.create()
    checkpoints = [append(spool, 600) for _ in range(9)]
    spool.sync()
    spool = spools.recovered()
    assert targets(spool) == [checkpoints[each] for each in (1, 3, 5, 8)]
    assert spool.read(0, 3000) == AUDIO[:3000]


def test_a_torn_mark_is_skipped_and_no_audio_is_lost(spools: Spools) -> None:
    spool = spools.create()
    checkpoints = [append(spool, 1000) for _ in range(5)]
    spool.sync()
    marks = spools.paths.state / "marks"
    os.truncate(marks, marks.stat().st_size // 2)
    assert targets(spools.recovered()) == [checkpoints[0], checkpoints[1], checkpoints[4]]


def test_a_mark_ahead_of_the_checkpoint_is_forgotten(spools: Spools) -> None:
    spool = spools.create()
    first = append(spool, 1000)
    state = spools.paths.checkpoint.read_bytes()
    for _ in range(3):
        append(spool, 1000)
    spool.sync()
    spools.close()
    spools.paths.checkpoint.write_bytes(state)
    spool = spools.recovered()
    assert targets(spool) == [first]
    again = [append(spool, 700) for _ in range(4)]
    assert targets(spools.recovered())[-1] == again[-1]
    assert set(targets(spools.recovered())) <= {first, *again}


SPOOL_FILES = ["hole", "epochs", "marks", "checkpoint"]


@pytest.mark.parametrize("flips_per_byte", [1, pytest.param(8, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", SPOOL_FILES)
def test_damaged_bytes_of_a_spool_file_never_change_what_the_spool_holds(
    spools: Spools, name: str, flips_per_byte: int
) -> None:
    """The spool counts as none, or is exactly as it was."""
    spool = spools.create()
    for _ in range(10):
        append(spool, 1000)
    spool.free(3000, 5000)
    spool.note_epoch(3)
    spool.sync()
    path = spools.paths.state / name
    before = {each: (spools.paths.state / each).read_bytes() for each in SPOOL_FILES}
    for data in damaged(before[name][:300], flips_per_byte=flips_per_byte):
        path.write_bytes(data + before[name][300:])
        spool_or_none = spools.recover()
        if spool_or_none is not None:
            assert spool_or_none.checkpoint.chunk_count == 10
            assert spool_or_none.epochs == {1, 3}
            assert not spool_or_none.holds(3000, 5000)
            assert spool_or_none.next_segment_end(Checkpoint()).pcm_bytes in {1000, 10_000}
        spools.close()
        for each, content in before.items():
            (spools.paths.state / each).write_bytes(content)


@pytest.mark.parametrize("name", ["hole", "epochs", "checkpoint"])
def test_a_spool_without_one_of_its_files_or_with_a_folder_in_its_place_counts_as_none(
    spools: Spools, name: str
) -> None:
    append(spools.create(), 1000)
    spools.close()
    (spools.paths.state / name).unlink()
    assert spools.recover() is None
    (spools.paths.state / name).mkdir()
    assert spools.recover() is None
    assert spools.create().checkpoint == Checkpoint()


def test_a_spool_file_in_the_place_of_the_folder_is_replaced(spools: Spools) -> None:
    spools.paths.state.write_text("not a folder")
    assert spools.recover() is None
    assert spools.create().checkpoint == Checkpoint()


def test_freed_audio_is_never_read_as_silence(spools: Spools) -> None:
    spool = spools.create()
    for _ in range(10):
        append(spool, 1000)
    spool.free(3000, 5000)
    spool.free(5000, 7000)
    for each in (spool, spools.recovered()):
        assert each.holds(0, 3000)
        assert each.holds(7000, 10_000)
        assert not each.holds(2999, 3001)
        assert not each.holds(6999, 7001)
        assert not each.holds(0, 10_000)
        assert each.read(0, 3000) + each.read(7000, 10_000) == AUDIO[:3000] + AUDIO[7000:]


def test_freeing_a_smaller_range_does_not_shrink_the_hole(spools: Spools) -> None:
    spool = spools.create()
    for _ in range(10):
        append(spool, 1000)
    spool.free(3000, 7000)
    spool.free(3000, 4000)  # as a restarted upload does
    spool.free(3000, 8000)
    for each in (spool, spools.recovered()):
        assert each.holds(0, 3000)
        assert each.holds(8000, 10_000)
        assert not each.holds(4000, 7000)
        assert each.read(0, 3000) + each.read(8000, 10_000) == AUDIO[:3000] + AUDIO[8000:]


def test_a_spool_restored_without_an_upload_has_no_hole(spools: Spools) -> None:
    spool = spools.create()
    spool.begin_restore(4000, (1000, 1000))
    assert spool.holds(0, 4000)


def test_freed_space_is_returned_to_the_file_system(spools: Spools) -> None:
    spool = spools.create()
    spool.append(bytes(1024 * 1024), Checkpoint(1, 1024 * 1024))
    spool.sync()
    before = spools.paths.audio.stat()
    spool.free(0, 512 * 1024)
    after = spools.paths.audio.stat()
    assert after.st_size == before.st_size
    assert after.st_blocks < before.st_blocks


def test_a_restored_spool_continues_where_the_bucket_ends(spools: Spools) -> None:
    spool = spools.create()
    spool.begin_restore(4000, (1000, 3000))
    spool.write(AUDIO[:1000], 0)
    spool.write(AUDIO[3000:4000], 3000)
    spool.keep_input(1, 0, b"input")
    checkpoint = Checkpoint(7, 4000, (StreamCheckpoint(1, 5, 0, b""),))
    spool.end_restore(checkpoint)
    assert targets(spool)[-1] == checkpoint
    after = append(spool, 1000)
    spool = spools.recovered()
    assert spool.checkpoint == after
    assert spool.next_segment_end(checkpoint) == after
    assert not spool.holds(1000, 3000)
    assert spool.read(3000, 5000) == AUDIO[3000:5000]
    assert spool.read_input(1, 0, 5) == b"input"


def test_a_partly_restored_spool_is_recovered_as_empty(spools: Spools) -> None:
    spool = spools.create()
    spool.begin_restore(4000, (1000, 3000))
    spool.write(AUDIO[:500], 0)
    assert spools.recovered().checkpoint == Checkpoint()


def test_reading_past_the_end_raises_an_error(spools: Spools) -> None:
    spool = spools.create()
    append(spool, 100)
    with pytest.raises(StorageUnavailableError):
        spool.read(0, 101)


@pytest.mark.parametrize("end", [Spool.discard, None], ids=["open", "after its process"])
def test_a_discarded_spool_leaves_no_files(
    spools: Spools, end: Callable[[Spool], None] | None
) -> None:
    spool = spools.create()
    append(spool, 100)
    spool.keep_input(1, 0, b"input")
    if end:
        end(spool)
    else:
        spools.close()
        remove(spools.paths)
    assert list(spools.paths.folder.iterdir()) == []
    assert spools.recover() is None


@pytest.mark.parametrize("left", range(6))
def test_a_spool_that_finds_no_descriptor_leaves_none_open(spools: Spools, left: int) -> None:
    spools.create()
    spools.close()
    spools._opened.clear()
    descriptors = open_descriptors()
    for open_spool in (spools.create, spools.recover):
        with few_descriptors(left), contextlib.suppress(StorageUnavailableError):
            open_spool()
        spools.close()
        spools._opened.clear()
        assert open_descriptors() == descriptors
