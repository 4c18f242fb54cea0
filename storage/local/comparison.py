"""Compares the index with the folder, in slices, and corrects the index."""

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator
from uuid import UUID

import msgspec

from storage.errors import BadObjectError, RecordingNotFoundError
from storage.local.folder import RecordingsFolder
from storage.local.index import IndexUpdate
from storage.local.index_rows import Row, RowState, row_of
from storage.volume.paths import session_of_manifest

_NAMES_AT_ONCE = 1000  # a slice takes a few milliseconds …
_MANIFESTS_AT_ONCE = 100  # … also with this many manifests to read


class Changes(msgspec.Struct, frozen=True):
    """How many rows were added, removed and corrected."""

    added: int = 0
    removed: int = 0
    corrected: int = 0

    def __add__(self, other: "Changes") -> "Changes":
        return Changes(
            self.added + other.added,
            self.removed + other.removed,
            self.corrected + other.corrected,
        )


def compare(
    folder: RecordingsFolder,
    index: IndexUpdate,
    *,
    reads_all: bool = False,
    other_name: Callable[[str], None] = lambda _: None,
) -> Iterator[Changes]:
    """Yield what one slice after the other has changed, in short calls that block.

    It reads the manifests of sessions without a row and of those that may be active;
    with ``reads_all`` every manifest. ``other_name`` gets the names that are no manifest's.
    Raises `StorageUnavailableError`.
    """
    names = folder.names()
    runs: list[list[bytes]] = []
    while some := list(itertools.islice(names, _NAMES_AT_ONCE)):
        run = []
        for name in some:
            if (session_id := session_of_manifest(name)) is not None:
                run.append(session_id.bytes)
            else:
                other_name(name)
        runs.append(sorted(run))
        yield Changes()
    # In the order of the ids, consecutive rows share pages of the index.
    ids = heapq.merge(*runs)
    while found := [UUID(bytes=each) for each in itertools.islice(ids, _NAMES_AT_ONCE)]:
        yield from _add_and_correct(folder, index, found, reads_all=reads_all)
    yield from _remove_stale(folder, index)


def _add_and_correct(
    folder: RecordingsFolder, index: IndexUpdate, session_ids: list[UUID], *, reads_all: bool
) -> Iterator[Changes]:
    known = index.rows(session_ids)
    unsure = [
        each
        for each in session_ids
        if reads_all or each not in known or known[each].state is RowState.OPEN
    ]
    yield Changes()
    for start in range(0, len(unsure), _MANIFESTS_AT_ONCE):
        some = unsure[start : start + _MANIFESTS_AT_ONCE]
        rows = [row for row in _read_rows(folder, some, known) if known.get(row.session_id) != row]
        if rows:
            index.put(rows)
        added = sum(row.session_id not in known for row in rows)
        yield Changes(added=added, corrected=len(rows) - added)


def _read_rows(
    folder: RecordingsFolder, session_ids: Iterable[UUID], known: dict[UUID, Row]
) -> Iterator[Row]:
    for session_id in session_ids:
        try:
            yield row_of(folder.manifest(session_id))
        except RecordingNotFoundError:
            continue  # deleted meanwhile
        except BadObjectError:
            # Lists find it when it is repaired.
            yield known.get(session_id, Row(session_id, None, RowState.OPEN))


def _remove_stale(folder: RecordingsFolder, index: IndexUpdate) -> Iterator[Changes]:
    last: UUID | None = None
    while session_ids := index.session_ids(last, _NAMES_AT_ONCE):
        last = session_ids[-1]
        stale = [each for each in session_ids if not folder.has_manifest(each)]
        removed = index.remove_stale(stale, folder.has_manifest) if stale else 0
        yield Changes(removed=removed)
