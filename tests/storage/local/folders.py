"""Folders of recordings, made and looked at past the storage."""

import contextlib
import errno
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

from storage import files, wav
from storage import manifest as manifests
from storage.checkpoint import Checkpoint
from storage.filters import Filters
from storage.local import LocalStorage
from storage.local.folder import RecordingsFolder
from storage.local.index_file import IndexFile
from storage.local.index_rows import Row, row
from storage.manifest import Manifest
from tests.storage.conftest import new_manifest
from tests.storage.test_conformance import LATER


@contextlib.asynccontextmanager
async def running(folder: Path) -> AsyncIterator[LocalStorage]:
    """Run a storage; it has completed the index when the test gets it."""
    storage = LocalStorage(folder, sync_interval_seconds=3600)
    await storage.start()
    await storage.upkeep.completed.wait()
    yield storage
    await storage.stop()


def index_file(folder: Path) -> IndexFile:
    return IndexFile(folder / ".index", on_incomplete=lambda: None)


def rows_of(folder: Path, session_ids: Iterable[str]) -> list[Row | None]:
    """Return the rows of the sessions, None for those without one."""
    with index_file(folder).shared() as connection:
        return [row(connection, UUID(each)) for each in session_ids]


def is_complete(folder: Path) -> bool:
    with index_file(folder).shared() as connection:
        return connection.execute("SELECT is_complete FROM meta").fetchall() == [(1,)]


async def listed(storage: LocalStorage, *, limit: int = 3, **filters: Any) -> list[str]:
    """Return all sessions that match, page by page."""
    found: list[str] = []
    cursor = None
    while True:
        page = await storage.manifests(Filters(**filters), limit=limit, cursor=cursor)
        found += [manifest.session_id for manifest in page.manifests]
        if page.next_cursor is None:
            return found
        cursor = UUID(page.next_cursor)


def write_session(folder: Path, *, completed: bool = True, **fields: object) -> Manifest:
    """Write the files of a session as an operator restores them."""
    manifest = new_manifest(**fields)
    if completed:
        manifest = manifest.completed(Checkpoint(), LATER)
    paths = RecordingsFolder(folder).paths(UUID(manifest.session_id))
    paths.audio.write_bytes(wav.header(manifest.pcm_format, 0))
    files.replace(paths.manifest, manifests.encode(manifest))
    return manifest


def move_states_as_in_0_2_0(folder: Path) -> None:
    """Put the states of active sessions where release 0.2.0 has them."""
    for state in list((folder / ".active").iterdir()):
        link = folder / state.name
        link.unlink(missing_ok=True)
        state.rename(link)
    shutil.rmtree(folder / ".active")
    shutil.rmtree(folder / ".index")


def put_folder(path: Path) -> None:
    """Put a folder that is not empty in the place of the path."""
    prepared = _prepared(path)
    prepared.mkdir()
    (prepared / "x").touch()
    _put(prepared, path)


def put_file(path: Path) -> None:
    """Put a file in the place of the path."""
    prepared = _prepared(path)
    prepared.touch()
    _put(prepared, path)


def put_dangling_link(path: Path) -> None:
    """Put a link that leads nowhere in the place of the path."""
    prepared = _prepared(path)
    prepared.symlink_to("nowhere")
    _put(prepared, path)


def _prepared(path: Path) -> Path:
    return path.with_name(f"{path.name}.prepared")


def _put(prepared: Path, path: Path) -> None:
    """Move it to the path whole: a running service may write there, or remove it, at once."""
    while True:
        files.remove(path)
        try:
            prepared.rename(path)
        except OSError as error:
            if error.errno not in {errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENOTEMPTY}:
                raise
        else:
            return


def _flip(file: Path) -> None:
    """Flip the first byte of each page, its type."""
    data = bytearray(file.read_bytes())
    for offset in range(0, len(data), 4096):
        data[offset] ^= 0xFF
    file.write_bytes(data)


def _flip_all_but_the_header(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data[:100] + bytes(byte ^ 0xFF for byte in data[100:]))


def _execute(statement: str) -> Callable[[Path], None]:
    def damage(file: Path) -> None:
        with contextlib.closing(sqlite3.connect(file)) as connection:
            connection.execute(statement)

    return damage


# What can happen to the file of an index, and what can happen to the names.
DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda file: file.write_bytes(b""),
    "text": lambda file: file.write_bytes(b"hello" * 5000),
    "truncated": lambda file: os.truncate(file, 5000),
    "truncated header": lambda file: os.truncate(file, 50),
    "flipped": _flip,
    "flipped but for the header": _flip_all_but_the_header,
    "newer": _execute("PRAGMA user_version = 99"),
    "without a table": _execute("DROP TABLE sessions"),
    "folder": put_folder,
    "dangling link": put_dangling_link,
    "folder as journal": lambda file: put_folder(file.with_name("sessions.sqlite-journal")),
}
REMOVALS: dict[str, Callable[[Path], object]] = {
    "missing": lambda file: file.unlink(),
    "folder missing": lambda file: files.remove(file.parent),
    "file as folder": lambda file: put_file(file.parent),
    "dangling link as folder": lambda file: put_dangling_link(file.parent),
}
