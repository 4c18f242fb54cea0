"""Accepts connections on a socket that all workers share, so that they get equal work.

The kernel wakes every worker for a connection. The first one gets it, which with ``epoll`` is
often the same one again and again. So a worker that has more to do than another one waits for a
moment first. A worker that hangs takes no part.
"""

import asyncio
import logging
import socket
from collections.abc import Callable

from api.workers.loads import Loads

logger = logging.getLogger(__name__)

_WAIT_SECONDS = 0.002
_FAILURE_SECONDS = 0.5
_MIN_LEAD = 1
_LEAD_PER_CONNECTION = 1 / 20  # with many connections, a small difference costs no wait

Factory = Callable[[], asyncio.Protocol]


class SharedListener:
    """The listening socket in one worker."""

    def __init__(self, listening: socket.socket, loads: Loads, load: Callable[[], int]) -> None:
        """``load`` returns what this worker has to do, ``loads`` what the others have."""
        self._listening = listening
        self._loads = loads
        self._load = load
        self._factory: Factory = asyncio.Protocol
        self._waiting: asyncio.TimerHandle | None = None
        self._opening: set[asyncio.Task[object]] = set()
        self._is_open = False

    def start(self, factory: Factory) -> None:
        """Accept connections; each gets a protocol of ``factory``."""
        self._factory = factory
        self._loop = asyncio.get_running_loop()
        self._listening.settimeout(0)
        self._loop.add_reader(self._listening, self._readable)
        self._is_open = True

    def close(self) -> None:
        """Leave all further connections to other workers."""
        if self._is_open:
            self._is_open = False
            self._loop.remove_reader(self._listening)
            if self._waiting is not None:
                self._waiting.cancel()
        self._listening.close()

    def _readable(self) -> None:
        if self._leads():
            self._wait(_WAIT_SECONDS)
        else:
            self._accept()

    def _wait(self, seconds: float) -> None:
        """Leave connections to other workers for a moment."""
        self._loop.remove_reader(self._listening)
        self._waiting = self._loop.call_later(seconds, self._resume)

    def _resume(self) -> None:
        """Accept what no other worker has accepted meanwhile."""
        self._waiting = None
        self._loop.add_reader(self._listening, self._readable)
        self._accept()

    def _leads(self) -> bool:
        """Return whether this worker has clearly more to do than another one."""
        least, load = self._loads.least_of_others(), self._load() + len(self._opening)
        return least is not None and load - least > max(_MIN_LEAD, load * _LEAD_PER_CONNECTION)

    def _accept(self) -> None:
        """Accept one connection, so that other workers get the next."""
        try:
            connection, _ = self._listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # another worker has it, or the client has gone
        except OSError as error:
            # The process has no descriptor left. The connection stays in the queue.
            logger.warning("Failed to accept a connection: error=%s", error)
            self._wait(_FAILURE_SECONDS)
            return
        task = asyncio.ensure_future(self._loop.connect_accepted_socket(self._factory, connection))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        self._loads.publish(self._load() + len(self._opening))
