"""Pages of the list of a folder's sessions."""

import logging
from collections.abc import Callable, Iterator
from uuid import UUID

from storage.base import Page, Progress
from storage.errors import BadObjectError, RecordingNotFoundError, StorageUnavailableError
from storage.filters import Filters
from storage.local.folder import RecordingsFolder
from storage.local.index import SessionIndex
from storage.local.index_rows import Row, RowState, row_of
from storage.manifest import Manifest
from storage.skipped import SkippedObjects

logger = logging.getLogger(__name__)

# Sessions that may be active, whose manifests are read to count those that match.
_MAX_OPEN = 200


class Listing:
    """Finds sessions with the index, or without it by reading the folder. Blocks.

    The manifests decide: the index says which ones to read.
    """

    def __init__(
        self,
        folder: RecordingsFolder,
        index: SessionIndex,
        progress: Callable[[Manifest], Progress],
        skipped: SkippedObjects,
    ) -> None:
        self._folder = folder
        self._index = index
        self._progress = progress
        self._skipped = skipped

    def page(self, filters: Filters, limit: int, cursor: UUID | None) -> Page:
        """Return sessions that match, and with the first page how many there are.

        Correct their rows in the index.
        """
        total = self._total(filters) if cursor is None else None
        page: list[Manifest] = []
        stale: list[UUID] = []
        changed: list[Row] = []
        next_cursor = None
        for session_id, state in self._candidates(filters, cursor, limit + 1):
            try:
                manifest = self._manifest(session_id)
            except RecordingNotFoundError:
                stale.append(session_id)
                continue
            if manifest is None:
                continue
            if state is not None and row_of(manifest).state is not state:
                changed.append(row_of(manifest))
            if not self._matches(manifest, filters):
                continue
            if len(page) == limit:
                next_cursor = page[-1].session_id
                break
            page.append(manifest)
        if changed:
            self._index.put(changed)
        if stale:
            self._index.remove_stale(stale, self._folder.has_manifest)
        return Page(page, next_cursor, total)

    def _total(self, filters: Filters) -> int | None:
        """Return the number of sessions that match; None if the index does not have it."""
        counts = self._index.count(filters, _MAX_OPEN)
        if counts is None or counts.open is None:
            return None
        return counts.sure + sum(self._is_match(each, filters) for each in counts.open)

    def _is_match(self, session_id: UUID, filters: Filters) -> bool:
        try:
            manifest = self._manifest(session_id)
        except RecordingNotFoundError:
            return False
        return manifest is not None and self._matches(manifest, filters)

    def _candidates(
        self, filters: Filters, cursor: UUID | None, at_once: int
    ) -> Iterator[tuple[UUID, RowState | None]]:
        """Yield the sessions that may match, in order, with the states of their rows."""
        while (rows := self._index.page(filters, cursor, at_once)) is not None:
            yield from rows
            if len(rows) < at_once:
                return
            cursor = rows[-1][0]
        first, end = filters.ids_after(cursor)
        sessions = self._folder.sessions()
        for session_id in reversed(list(sessions)) if filters.is_oldest_first else sessions:
            if first <= session_id < end:
                yield session_id, None

    def _manifest(self, session_id: UUID) -> Manifest | None:
        """Return the manifest, None if it cannot be read. Raises `RecordingNotFoundError`."""
        try:
            return self._folder.manifest(session_id)
        except BadObjectError as error:
            self._skipped.report(str(session_id), f"left out of lists: {error}")
        except StorageUnavailableError:
            logger.exception("%s: left out of the list", session_id)
        return None

    def _matches(self, manifest: Manifest, filters: Filters) -> bool:
        if filters.has_warnings is not None and manifest.status == "active":
            manifest = manifest.advanced_to(self._progress(manifest).checkpoint)
        return filters.matches(manifest)
