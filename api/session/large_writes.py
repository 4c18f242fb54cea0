"""Large writes, which run in a thread: the kernel blocks a writer that is faster than the disk."""

import asyncio
from collections.abc import Callable

from storage import threads
from storage.base import Recording
from storage.pcm import Buffer

LARGE_BYTES = 256 * 1024


async def write_ahead(recording: Recording, pcm: Buffer) -> tuple[Buffer, int]:
    """Write PCM that is large in front of its checkpoint.

    Return the PCM that is not written yet, and how many bytes are. Raises
    `StorageUnavailableError`.
    """
    if len(pcm) <= LARGE_BYTES:
        return pcm, 0
    await in_thread(recording.write_ahead, pcm)
    return b"", len(pcm)


async def in_thread(write: Callable[..., None], *arguments: object) -> None:
    """Run ``write`` in a thread; return after it has ended, even if cancelled.

    Otherwise the caller could close the file during the write.
    """
    writing = asyncio.ensure_future(threads.recording.run(write, *arguments))
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait([writing])
        raise
