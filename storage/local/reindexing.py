"""Compares the index of a folder with every manifest, also beside the service."""

from pathlib import Path

from storage.errors import StorageUnavailableError
from storage.local.comparison import Changes, compare
from storage.local.folder import RecordingsFolder
from storage.local.index import IndexUpdate
from storage.local.index_file import IndexFile


def reindex(path: Path) -> Changes:
    """Correct the index of the folder and return what was changed. Block.

    Raises `StorageUnavailableError`.
    """
    folder = RecordingsFolder(path)
    if not folder.path.is_dir():
        raise StorageUnavailableError(f"{folder.path} is no folder")
    update = IndexUpdate(IndexFile(folder.index, on_incomplete=lambda: None))
    total = Changes()
    for changes in compare(folder, update, reads_all=True):
        total += changes
    if not update.finish():
        raise StorageUnavailableError(
            f"{folder.index}: the index was replaced meanwhile; run the command again"
        )
    return total
