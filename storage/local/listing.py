"""Pages of the list of a folder's sessions."""

import logging
from collections.abc import Callable, Iterator
from uuid import UUID

from storage.base import Page, Progress
from storage.errors import BadObjectError, RecordingNotFoundError, StorageUnavailableError
from storage.local.folder import RecordingsFolder
from storage.local.index import SessionIndex
from storage.local.index_rows import Row, RowState, Wanted, row_of
from storage.manifest import Manifest
from storage.skipped import SkippedObjects

logger = logging.getLogger(__name__)


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

    def page(self, wanted: Wanted, limit: int, cursor: UUID | None) -> Page:
        """Return sessions that match, newest first; correct their rows in the index."""
        page: list[Manifest] = []
        stale: list[UUID] = []
        changed: list[Row] = []
        next_cursor = None
        for session_id, state in self._candidates(wanted, cursor, limit + 1):
            try:
                manifest = self._manifest(session_id)
            except RecordingNotFoundError:
                stale.append(session_id)
                continue
            if manifest is None:
                continue
            if state is not None and row_of(manifest).state is not state:
                changed.append(row_of(manifest))
            if not self._matches(manifest, wanted):
                continue
            if len(page) == limit:
                next_cursor = page[-1].session_id
                break
            page.append(manifest)
        if changed:
            self._index.put(changed)
        if stale:
            self._index.remove_stale(stale, self._folder.has_manifest)
        return Page(page, next_cursor)

    def _candidates(
        self, wanted: Wanted, before: UUID | None, at_once: int
    ) -> Iterator[tuple[UUID, RowState | None]]:
        """Yield the sessions that may match, newest first, with the states of their rows."""
        while (rows := self._index.page(wanted, before, at_once)) is not None:
            yield from rows
            if len(rows) < at_once:
                return
            before = rows[-1][0]
        for session_id in self._folder.sessions():
            if before is None or session_id < before:
                yield session_id, None

    def _manifest(self, session_id: UUID) -> Manifest | None:
        """Return the manifest, None if it cannot be read. Raises `RecordingNotFoundError`."""
        try:
            return self._folder.manifest(session_id)
        except BadObjectError as error:
            self._skipped.report(str(session_id), f"left out of lists: {error}")
        except StorageUnavailableError:
            logger.exception("left out of the list: %s", session_id)
        return None

    def _matches(self, manifest: Manifest, wanted: Wanted) -> bool:
        if wanted.has_warnings is not None and manifest.status == "active":
            manifest = manifest.advanced_to(self._progress(manifest).checkpoint)
        return manifest.matches(
            status=wanted.status, user_id=wanted.user_id, has_warnings=wanted.has_warnings
        )
