"""The outbox of a folder: ``.outbox/{node}/{slot}/{name}``.

A node is a number. The process that delivers its entries locks ``.outbox/{node}/.lock``
(``flock``), which ends with the process.
"""

import contextlib
import fcntl
import itertools
import os
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path

from storage import files, threads
from storage.errors import RecordingNotFoundError, StorageUnavailableError
from storage.outbox import DEAD, FIRST_SLOT, Place, is_name, parse_slot, slot_name
from storage.service_lock import open_lock

_TEMPORARY = ".tmp-"
_MAX_NODES = 1000


class OutboxFolder:
    """See `storage.outbox.OutboxEntries`."""

    def __init__(self, recordings: Path) -> None:
        self._folder = recordings.absolute() / ".outbox"
        self._making = threading.Lock()

    async def put(self, place: Place, data: bytes) -> None:
        await threads.recording.finish(self._put, place, data)

    async def get(self, place: Place) -> bytes:
        return await threads.reading.run(self._get, place)

    async def remove(self, place: Place) -> None:
        await threads.recording.finish(self._remove, place)

    async def page(self, node: str, limit: int) -> list[Place]:
        return await threads.listing.run(self._page, node, limit)

    async def nodes(self) -> list[str]:
        return await threads.listing.run(self._nodes)

    def _put(self, place: Place, data: bytes) -> None:
        path = self._path(place)
        temporary = self._folder / place.node / f"{_TEMPORARY}{secrets.token_hex(8)}"
        with files.translated_errors():
            self._make_slot(path.parent)
            try:
                with temporary.open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                try:
                    temporary.replace(path)
                except FileNotFoundError:  # the slot was empty, and was removed meanwhile
                    self._make_slot(path.parent)
                    temporary.replace(path)
            except OSError:
                with contextlib.suppress(OSError):
                    temporary.unlink()
                raise
            files.sync_folder(path.parent)

    def _make_slot(self, slot: Path) -> None:
        with self._making:  # a folder that exists is durable
            for folder in (self._folder, slot.parent, slot):
                with contextlib.suppress(FileExistsError):
                    folder.mkdir()
                    files.sync_folder(folder.parent)

    def _get(self, place: Place) -> bytes:
        try:
            with files.translated_errors():
                return self._path(place).read_bytes()
        except StorageUnavailableError as error:
            if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
                raise RecordingNotFoundError(place.name) from error
            raise

    def _remove(self, place: Place) -> None:
        path = self._path(place)
        with files.translated_errors():
            path.unlink(missing_ok=True)
        if place.slot != FIRST_SLOT:
            with contextlib.suppress(OSError):  # it is not empty
                path.parent.rmdir()

    def _page(self, node: str, limit: int) -> list[Place]:
        found: list[Place] = []
        for slot in sorted(self._slots(node)):
            if len(found) >= limit:
                break
            try:
                with os.scandir(self._folder / node / slot_name(slot)) as entries:
                    files_found = (each for each in entries if each.is_file(follow_symlinks=False))
                    names = (each.name for each in files_found if is_name(each.name))
                    wanted = itertools.islice(names, limit - len(found))
                    found += [Place(node, slot, name) for name in wanted]
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise StorageUnavailableError(str(error)) from error
        return found

    def _path(self, place: Place) -> Path:
        return self._folder / place.node / slot_name(place.slot) / place.name

    def _slots(self, node: str) -> Iterator[int]:
        """Yield the slots of a node: at most one for each minute in which entries are due."""
        for name in _names(self._folder / node):
            if (slot := parse_slot(name)) is not None:
                yield slot

    def _nodes(self) -> list[str]:
        return sorted(name for name in _names(self._folder) if is_name(name))


class LocalOutbox(OutboxFolder):
    """See `storage.outbox.Outbox`."""

    def __init__(self, recordings: Path) -> None:
        super().__init__(recordings)
        self._own = ""
        self._locks: dict[str, int] = {}  # by node

    async def claim(self) -> str:
        return self._own or await threads.recording.run(self._claim)

    async def abandoned(self) -> list[str]:
        return await threads.listing.run(self._abandoned)

    def release(self) -> None:
        """Let other processes have the nodes of this one."""
        for lock in self._locks.values():
            os.close(lock)
        self._locks.clear()
        self._own = ""

    def _claim(self) -> str:
        if self._own:
            return self._own
        for number in range(_MAX_NODES):
            node = str(number)
            with files.translated_errors():
                self._make_slot(self._folder / node / slot_name(FIRST_SLOT))
            if self._lock(node):
                self._own = node
                self._remove_temporary(node)
                return node
        raise StorageUnavailableError(f"{self._folder}: {_MAX_NODES} processes are running")

    def _abandoned(self) -> list[str]:
        others = (node for node in self._nodes() if node not in {DEAD, self._own})
        found = []
        for node in others:
            if not self._page(node, 1):
                self._unlock(node)  # so that a process that starts can have it
            elif self._lock(node):
                found.append(node)
        return found

    def _lock(self, node: str) -> bool:
        """Return whether this process has the lock of the node, now or already."""
        if node in self._locks:
            return True
        with files.translated_errors():
            lock = open_lock(self._folder / node / ".lock")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return False
        self._locks[node] = lock
        return True

    def _unlock(self, node: str) -> None:
        lock = self._locks.pop(node, None)
        if lock is not None:
            os.close(lock)

    def _remove_temporary(self, node: str) -> None:
        """Remove what a crash has left."""
        for name in _names(self._folder / node):
            if name.startswith(_TEMPORARY):
                with files.translated_errors():
                    (self._folder / node / name).unlink(missing_ok=True)


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StorageUnavailableError(str(error)) from error
