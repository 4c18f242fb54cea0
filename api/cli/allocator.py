"""The allocator of a serving process: that of glibc, with huge pages, where the system has them.

Each chunk belongs to another session than the one before, so it touches memory that is far from
what the processor has at hand. With pages of 4 KiB it also has to look up where that memory is,
which takes longer still on a virtual machine. Python's own allocator cannot ask for huge pages, and
glibc's can from the start of a process on:
https://docs.python.org/3/using/cmdline.html#envvar-PYTHONMALLOC,
https://www.gnu.org/software/libc/manual/html_node/Memory-Allocation-Tunables.html.
"""

import contextlib
import os
import signal
import sys
from pathlib import Path

_MEBIBYTE = 1024 * 1024

_TUNABLES = {
    "hugetlb": 1,  # huge pages by madvise(2)
    "arena_max": 1,  # all threads share the memory that is free
    # Chunks, segments and pieces of audio are smaller. As mapped memory of its own, each would be
    # made page by page, which takes up to 30 ms for 10 MB.
    "mmap_threshold": 16 * _MEBIBYTE,
    "trim_threshold": 32 * _MEBIBYTE,  # so much free memory is kept for the next one
}

# The variables of the environment of a process that has this allocator.
ALLOCATOR = {
    "PYTHONMALLOC": "malloc",
    "GLIBC_TUNABLES": ":".join(f"glibc.malloc.{name}={value}" for name, value in _TUNABLES.items()),
}

_MIN_GLIBC = (2, 35)

_HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def restart_with_allocator() -> None:
    """Execute the command of this process again, with an environment that chooses the allocator.

    The process stays the same. This does nothing if the system has no huge pages, or if the
    environment has one of the variables: this process has been restarted, or the operator has
    chosen an allocator.
    """
    if ALLOCATOR.keys() & os.environ.keys() or not _has_huge_pages():
        return
    # Nothing handles SIGTERM between the two programs. Blocked, it waits for `exit_on_sigterm`.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))
    arguments = (sys.executable, *sys.orig_argv[1:])
    os.execve(sys.executable, arguments, {**os.environ, **ALLOCATOR})  # noqa: S606 - no shell


def _has_huge_pages() -> bool:
    """Return whether glibc can ask this system for huge pages."""
    with contextlib.suppress(OSError, ValueError):  # another kernel, another C library
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
        major, minor = version.split(".")[:2]
        is_able = name == "glibc" and (int(major), int(minor)) >= _MIN_GLIBC
        return is_able and "[never]" not in _HUGE_PAGES.read_text()
    return False
