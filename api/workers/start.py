"""What a worker gets from its supervisor: an argument, and descriptors that it inherits."""

import msgspec

from storage.worker import Worker


class WorkerStart(msgspec.Struct, frozen=True):
    """The argument of ``python -m api.cli.worker``, in JSON.

    ``host`` is that of ``serve``. The descriptors: the listening socket, that of METRICS_ADDRESS
    if it is set, the worker's end of the control connection, the memory of `api.workers.loads`,
    and the lock of the folder.
    """

    worker: Worker
    host: str
    listening_fd: int
    control_fd: int
    loads_fd: int
    lock_fd: int
    metrics_fd: int | None

    @property
    def descriptors(self) -> tuple[int, ...]:
        always = self.listening_fd, self.control_fd, self.loads_fd, self.lock_fd
        return always if self.metrics_fd is None else (*always, self.metrics_fd)
