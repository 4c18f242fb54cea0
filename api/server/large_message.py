"""Large binary messages, joined in a thread.

To join 10 MB takes up to 30 ms, most of it for memory that is new. The event loop goes on
meanwhile, because Python joins without its lock from a mebibyte on
(https://github.com/python/cpython/blob/3.11/Objects/stringlib/join.h, `GIL_THRESHOLD`).
"""

from collections.abc import Sequence

from storage import threads

_MIN_BYTES = 1024 * 1024


class LargeMessage:
    """A binary message in the ``fragments`` in which it has arrived."""

    def __init__(self, fragments: Sequence[bytes]) -> None:
        self._fragments = fragments

    async def joined(self) -> bytes:
        return await threads.recording.run(b"".join, self._fragments)


def is_large(fragments: Sequence[bytes]) -> bool:
    """Return whether these fragments are to be joined in a thread."""
    return len(fragments) > 1 and sum(map(len, fragments)) >= _MIN_BYTES
