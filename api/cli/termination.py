"""SIGTERM before the server handles it.

In a container the service is process 1, for which the kernel ignores signals without a handler
(pid_namespaces(7)). A stop while the service starts would wait until the container is killed.
"""

import signal
import sys
from types import FrameType


def exit_on_sigterm() -> None:
    """Exit with 0 on SIGTERM from now on."""
    signal.signal(signal.SIGTERM, _exit)


def _exit(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)
