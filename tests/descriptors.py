"""A limit on the descriptors of the test's own process."""

import contextlib
import gc
import os
import resource
from collections.abc import Iterator
from pathlib import Path


def open_descriptors() -> dict[str, str]:
    """Return the targets of the open descriptors, by number, without those of garbage."""
    gc.collect()
    found = {}
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # that of the listing itself
            found[each.name] = str(each.readlink())
    return found


@contextlib.contextmanager
def few_descriptors(left: int) -> Iterator[None]:
    """Let the process open ``left`` more descriptors.

    Garbage of other tests that is collected meanwhile would close some, and leave room for more.
    """
    gc.collect()
    gc.disable()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(map(int, open_descriptors()))
    gaps = [os.open(os.devnull, os.O_RDONLY)]
    while gaps[-1] <= highest:
        gaps.append(os.open(os.devnull, os.O_RDONLY))
    os.close(gaps.pop())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1 + left, limits[1]))
    try:
        yield
    finally:
        gc.enable()
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for gap in gaps:
            os.close(gap)
