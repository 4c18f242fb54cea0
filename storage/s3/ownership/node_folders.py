"""The spool folders of a machine: each belongs to one node, which holds its lock.

A process that serves alone has its spool directly in ``AUDIO_STORAGE_PATH``. Each of several
workers has a numbered folder below it. ``.node`` in a folder is locked by the process that has it,
and holds the id of the node; with several workers also the address of the worker. A folder without
a process is adopted by another one: what is in it was acknowledged and may not be in the bucket.
"""

import contextlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import msgspec
import uuid_utils.compat

from storage import files
from storage.errors import StorageUnavailableError
from storage.s3.keys import is_node_id
from storage.service_lock import is_in_place, lock_folder, try_lock
from storage.volume.paths import session_of_state, state_name
from storage.worker import Worker, worker_number

_ID_BYTES = 36


class NodeFolder(msgspec.Struct, frozen=True):
    """A folder that this process has locked."""

    path: Path
    node_id: str
    lock: int


class SpoolPlace(msgspec.Struct, frozen=True):
    """Whether this process has the spool, and the address of another worker that has one too.

    The address is empty if no process has the folder now; None: no other folder has a spool.
    """

    is_here: bool = False
    elsewhere: str | None = None


class NodeFolders:
    """The folder of this process, and those that it has adopted. All methods block."""

    def __init__(self, root: Path, worker: Worker | None = None) -> None:
        self._root = root
        self._worker = worker
        self._service_lock: int | None = None
        self._folders: list[NodeFolder] = []  # its own first

    @property
    def paths(self) -> list[Path]:
        """Return the folders of this process, its own first."""
        return [each.path for each in self._folders] or [self._root]

    def owns(self, node_id: str) -> bool:
        """Return whether this process is the node, or has its spool."""
        return any(each.node_id == node_id for each in self._folders)

    def claim(self) -> str:
        """Lock a folder for this process; return the id of its node.

        Raises `StorageUnavailableError`, also if another service has the folder.
        """
        with files.translated_errors():
            folder = self._claim_root() if self._worker is None else self._claim_numbered()
        self._folders = [folder]
        return folder.node_id

    def _claim_root(self) -> NodeFolder:
        self._service_lock = lock_folder(self._root)
        folder = self._lock(self._root)
        if folder is None:  # a release before the lock of the service
            self.release()
            raise StorageUnavailableError(
                f"{self._root} is in use by another process; one spool folder has one writer"
            )
        return folder

    def _claim_numbered(self) -> NodeFolder:
        for number in itertools.count(1):
            if (folder := self._lock(self._root / str(number))) is not None:
                return folder
        raise AssertionError

    def adopt(self) -> list[Path]:
        """Lock the folders that no process has; return them. Give up those that are empty now.

        With several workers: only when all have started, so that each can claim a folder.
        """
        with files.translated_errors():
            for folder in [each for each in self._folders[1:] if not _has_spools(each.path)]:
                self._remove(folder)
            adopted = []
            for path in self._others():
                if (path / ".node").exists() and (locked := self._lock(path)) is not None:
                    self._folders.append(locked)
                    adopted.append(path)
        return adopted

    def sibling(self, node_id: str) -> str | None:
        """Return the address of the worker of this machine that is a node; None: none is.

        Empty if no process has the folder now: then one of them adopts it soon.
        """
        for path in self._others():
            found_id, address = _read(path)
            if found_id == node_id:
                return address
        return None

    def spool_place(self, session_id: UUID) -> SpoolPlace:
        """Return where on this machine the spool of a session is."""
        name = state_name(session_id)
        return SpoolPlace(
            is_here=any((path / name).exists() for path in self.paths),
            elsewhere=next(
                (_read(path)[1] for path in self._others() if (path / name).exists()), None
            ),
        )

    def release(self) -> None:
        """Unlock all folders."""
        for folder in self._folders:
            os.close(folder.lock)
        self._folders = []
        if self._service_lock is not None:
            os.close(self._service_lock)
            self._service_lock = None

    def _others(self) -> Iterator[Path]:
        """Yield the folders that this process does not have."""
        mine = {each.path for each in self._folders}
        if self._worker is not None and self._root not in mine:
            yield self._root
        with contextlib.suppress(FileNotFoundError), os.scandir(self._root) as entries:
            numbered = [each.name for each in entries if each.name.isdecimal()]
        for name in sorted(numbered, key=int):
            if (path := self._root / name) not in mine:
                yield path

    def _lock(self, path: Path) -> NodeFolder | None:
        """Lock a folder, and create it if it is missing; None: another process has it."""
        path.mkdir(parents=True, exist_ok=True)
        lock = os.open(path / ".node", os.O_RDWR | os.O_CREAT, 0o666)
        if not (try_lock(lock) and is_in_place(lock, path / ".node")):
            os.close(lock)
            return None
        node_id = os.pread(lock, _ID_BYTES, 0).decode(errors="replace")
        if not is_node_id(node_id):  # a new folder, or a damaged file
            node_id = str(uuid_utils.compat.uuid7())
            os.pwrite(lock, node_id.encode(), 0)
        os.ftruncate(lock, _ID_BYTES)
        if self._worker is not None:
            os.pwrite(lock, self._worker.address.encode(), _ID_BYTES)
        return NodeFolder(path, node_id, lock)

    def _remove(self, folder: NodeFolder) -> None:
        """Give up a folder that was adopted and is empty."""
        self._folders.remove(folder)
        (folder.path / ".node").unlink(missing_ok=True)
        if folder.path != self._root:
            with contextlib.suppress(OSError):  # something else is in it
                folder.path.rmdir()
        os.close(folder.lock)


def _has_spools(path: Path) -> bool:
    return any(session_of_state(each.name) for each in os.scandir(path))


def _read(path: Path) -> tuple[str, str]:
    """Return the node and the address of the worker in ``.node``; "" for what is not there."""
    try:
        text = (path / ".node").read_text(errors="replace")
    except OSError:
        return "", ""
    node_id, address = text[:_ID_BYTES], text[_ID_BYTES:]
    return node_id, address if worker_number(address) is not None else ""
