"""SIGTERM before the server handles it.

In a container the service is process 1, for which the kernel ignores signals without a handler
(pid_namespaces(7)). A stop while the service starts would wait until the container is killed. The
kernel keeps a signal that is blocked. So the command of the image blocks SIGTERM before Python
starts, and the service unblocks it.
"""

import os
import signal
from types import FrameType


def exit_on_sigterm() -> None:
    """Exit with 0 on SIGTERM from now on, or at once if one is pending."""
    signal.signal(signal.SIGTERM, _exit)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))


def _exit(_number: int, _frame: FrameType | None) -> None:
    # An exception would be ignored if the signal arrives in a callback of the interpreter, and
    # the service would go on. Nothing is recorded yet that had to be written.
    os._exit(0)
