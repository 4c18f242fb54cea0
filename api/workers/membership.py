"""What connects a worker with the other workers of its service."""

import msgspec

from api.workers.control import Control
from api.workers.sockets import WorkerSockets
from storage.worker import Worker


class Membership(msgspec.Struct, frozen=True):
    """The place of this process among the workers. A service with one process has none."""

    worker: Worker
    control: Control
    sockets: WorkerSockets
