"""How much each worker does, in memory that they share: who should accept the next connection."""

import mmap
import os
import struct

from storage.worker import Worker

_SLOT = struct.Struct("q")
_GONE = -1


class Loads:
    """One number for each worker: its connections and live sessions.

    Each worker writes its own number only, in one aligned store; the supervisor writes that of a
    worker that has ended.
    """

    def __init__(self, fd: int, worker: Worker) -> None:
        """``fd`` is a descriptor of `create_memory`; ``worker`` is this process."""
        self._number = worker.number
        self._slots = memoryview(mmap.mmap(fd, _bytes(worker.count))).cast("q")

    def publish(self, load: int) -> None:
        """Note what this worker has to do."""
        self._slots[self._number] = load

    def withdraw(self) -> None:
        """Note that this worker accepts no connections."""
        self._slots[self._number] = _GONE

    def least_of_others(self) -> int | None:
        """Return the least load of the other workers; None if there is no other."""
        loads = self._slots.tolist()
        del loads[self._number]
        return min((each for each in loads if each != _GONE), default=None)


def create_memory(count: int) -> int:
    """Return a descriptor of memory for ``count`` workers, none of which runs yet."""
    fd = os.memfd_create("loads")
    os.write(fd, _SLOT.pack(_GONE) * (_bytes(count) // _SLOT.size))
    return fd


def remove(fd: int, worker: Worker) -> None:
    """Note that a worker has ended."""
    os.pwrite(fd, _SLOT.pack(_GONE), worker.number * _SLOT.size)


def _bytes(count: int) -> int:
    return _SLOT.size * (Worker(0, count).max_number + 1)
