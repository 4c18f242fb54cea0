"""The memory of a serving process in huge pages, where the operating system offers them.

Each chunk belongs to another session than the one before, so it touches memory that is far from
what the processor has at hand. With pages of 4 KiB it also has to look up where that memory is,
which takes longer still on a virtual machine. Only glibc's allocator can ask for huge pages, and
only from the start of a process on, so Python has to allocate with it:
https://www.gnu.org/software/libc/manual/html_node/Memory-Allocation-Tunables.html,
https://docs.python.org/3/using/cmdline.html#envvar-PYTHONMALLOC.
"""

import contextlib
import os
import signal
import sys
from pathlib import Path

# The environment of a process whose memory is in huge pages.
HUGE_PAGES = {"PYTHONMALLOC": "malloc", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}

_MIN_GLIBC = (2, 35)

_STATE = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def restart_with_huge_pages() -> None:
    """Execute the command of this process again, with an environment that asks for huge pages.

    The process stays the same. This does nothing if the system has no huge pages, or if the
    environment has one of the variables: this process has been restarted, or the operator has
    chosen an allocator.
    """
    if HUGE_PAGES.keys() & os.environ.keys() or not _are_offered():
        return
    # Nothing handles SIGTERM between the two programs. Blocked, it waits for `exit_on_sigterm`.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))
    arguments = (sys.executable, *sys.orig_argv[1:])
    os.execve(sys.executable, arguments, {**os.environ, **HUGE_PAGES})  # noqa: S606 - no shell


def _are_offered() -> bool:
    """Return whether glibc can ask this system for huge pages."""
    with contextlib.suppress(OSError, ValueError):  # another kernel, another C library
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
        major, minor = version.split(".")[:2]
        is_able = name == "glibc" and (int(major), int(minor)) >= _MIN_GLIBC
        return is_able and "[never]" not in _STATE.read_text()
    return False
