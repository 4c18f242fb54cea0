"""Pages of a folder: full, in order, right with and without the index, and correcting it."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from storage import manifest as manifests
from storage.base import Progress
from storage.checkpoint import Checkpoint
from storage.filters import Filters
from storage.local.folder import RecordingsFolder
from storage.local.index import IndexUpdate, SessionIndex
from storage.local.index_rows import RowState, row_of
from storage.local.listing import Listing
from storage.manifest import Manifest
from storage.skipped import SkippedObjects
from tests.storage.conftest import new_manifest
from tests.storage.local.folders import index_file, rows_of, write_session
from tests.storage.test_conformance import LATER


class CountingFolder(RecordingsFolder):
    """A folder that counts what is read of it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.manifests_read = 0
        self.times_read = 0

    def manifest(self, session_id: UUID) -> Manifest:
        self.manifests_read += 1
        return super().manifest(session_id)

    def sessions(self) -> Iterator[UUID]:
        self.times_read += 1
        return super().sessions()


@pytest.fixture
def folder(tmp_path: Path) -> CountingFolder:
    IndexUpdate(index_file(tmp_path)).finish()
    return CountingFolder(tmp_path)


def listing(folder: RecordingsFolder, progress: Checkpoint | None = None) -> Listing:
    found = Progress(progress or Checkpoint(), Checkpoint())
    index = SessionIndex(index_file(folder.path))
    return Listing(folder, index, lambda _: found, SkippedObjects())


def created(folder: RecordingsFolder, count: int, *, user_id: str | None = None) -> list[Manifest]:
    """Write completed sessions and their rows."""
    made = [write_session(folder.path, user_id=user_id) for _ in range(count)]
    SessionIndex(index_file(folder.path)).put([row_of(each) for each in made])
    return made


def ids(made: list[Manifest]) -> list[str]:
    return [each.session_id for each in made]


def test_a_page_reads_its_manifests_and_not_the_folder(folder: CountingFolder) -> None:
    rare = created(folder, 2, user_id="rare")
    made = created(folder, 30, user_id="often")
    page = listing(folder).page(Filters(), 10, None)
    assert ids(page.manifests) == ids(made[:19:-1])
    assert page.next_cursor == made[20].session_id
    assert folder.manifests_read == 11
    assert ids(listing(folder).page(Filters(user_id="rare"), 10, None).manifests) == ids(rare[::-1])
    for nothing in (
        Filters(status="active"),
        Filters(has_warnings=True),
        Filters(user_id="nobody"),
    ):
        assert listing(folder).page(nothing, 10, None).manifests == []
    assert (folder.manifests_read, folder.times_read) == (13, 0)


def test_pages_are_full_although_rows_are_stale_and_stale_rows_are_removed(
    folder: CountingFolder,
) -> None:
    made = created(folder, 40)
    stale, kept = made[1::2], made[::2]
    for each in stale:
        (folder.path / f"{each.session_id}.json").unlink()
    page = listing(folder).page(Filters(), 5, None)
    assert ids(page.manifests) == ids(kept[:14:-1])
    page = listing(folder).page(Filters(), 50, UUID(page.next_cursor))
    assert ids(page.manifests) == ids(kept[14::-1])
    assert page.next_cursor is None
    assert set(rows_of(folder.path, ids(stale))) == {None}
    assert None not in rows_of(folder.path, ids(kept))


def test_rows_that_differ_from_their_manifests_are_corrected(folder: CountingFolder) -> None:
    (manifest,) = created(folder, 1)
    row = row_of(manifest)
    SessionIndex(index_file(folder.path)).put([row._replace(state=RowState.OPEN)])
    assert listing(folder).page(Filters(status="active"), 5, None).manifests == []
    assert rows_of(folder.path, [manifest.session_id]) == [row]


def test_active_sessions_are_filtered_by_the_warnings_of_their_checkpoint(
    folder: CountingFolder,
) -> None:
    active = write_session(folder.path, completed=False)
    SessionIndex(index_file(folder.path)).put([row_of(active)])
    warned = Checkpoint().warned("decode_failed", "no frames", frame=0)
    for progress, has_warnings in ((None, False), (warned, True)):
        for wanted in (True, False):
            page = listing(folder, progress).page(Filters(has_warnings=wanted), 5, None)
            assert bool(page.manifests) == (wanted is has_warnings)


def test_without_an_index_the_folder_is_read(folder: CountingFolder) -> None:
    made = created(folder, 5)
    file = index_file(folder.path)
    file.discard("a test")
    page = listing(folder).page(Filters(), 2, None)
    assert ids(page.manifests) == ids(made[:2:-1])
    page = listing(folder).page(Filters(), 4, UUID(page.next_cursor))
    assert ids(page.manifests) == ids(made[2::-1])
    assert page.next_cursor is None


def test_an_index_that_is_lost_within_a_page_leaves_no_gap_and_no_duplicate(
    folder: CountingFolder,
) -> None:
    made = created(folder, 20, user_id="a")
    file = index_file(folder.path)

    class Losing(CountingFolder):
        def manifest(self, session_id: UUID) -> Manifest:
            if session_id == UUID(made[-3].session_id):
                file.discard("a test")
            if session_id in map(UUID, ids(made[-6:])):
                return super().manifest(session_id).completed(Checkpoint(), LATER)
            return super().manifest(session_id)

    found = listing(Losing(folder.path)).page(Filters(user_id="a"), 15, None)
    assert ids(found.manifests) == ids(made[:4:-1])


def test_a_damaged_manifest_is_left_out_and_its_row_stays(folder: CountingFolder) -> None:
    made = created(folder, 3)
    path = folder.path / f"{made[1].session_id}.json"
    before = path.read_bytes()
    path.write_bytes(b"{")
    assert ids(listing(folder).page(Filters(), 5, None).manifests) == ids([made[2], made[0]])
    path.write_bytes(before)
    assert ids(listing(folder).page(Filters(), 5, None).manifests) == ids(made[::-1])


def test_a_user_with_any_name_is_found(folder: CountingFolder) -> None:
    names = ["", "Zoë", "a\0b", "a", "%", "'; DROP TABLE sessions; --", "\U0001f3a4" * 100]
    made = [created(folder, 1, user_id=name)[0] for name in names]
    for name, manifest in zip(names, made, strict=True):
        assert manifests.decode(manifests.encode(manifest), UUID(manifest.session_id)) == manifest
        found = listing(folder).page(Filters(user_id=name), 5, None)
        assert ids(found.manifests) == [manifest.session_id]
    assert listing(folder).page(Filters(user_id="\ud800"), 5, None).manifests == []
    assert new_manifest().user_id is None
