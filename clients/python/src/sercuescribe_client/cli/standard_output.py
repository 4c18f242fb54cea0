"""Binary data for standard output: a reader that is slow must not stop the event loop."""

import asyncio
import os
import select

_STDOUT = 1


async def write_output(data: bytes) -> None:
    """Write all of ``data``. Raises ``BrokenPipeError`` if no reader is left."""
    left = memoryview(data)
    while left:
        if await _wait_writable():
            # A pipe that poll(2) calls writable takes this much at once (pipe(7)).
            written = os.write(_STDOUT, left[: select.PIPE_BUF])
        else:
            written = os.write(_STDOUT, left)
        left = left[written:]


async def _wait_writable() -> bool:
    """Wait until standard output takes data. Return False if it is a file, which always does."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_writer(_STDOUT, ready.set)
    except PermissionError:  # epoll(7): not for files
        return False
    try:
        await ready.wait()
    finally:
        loop.remove_writer(_STDOUT)
    return True
