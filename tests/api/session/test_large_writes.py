"""Large writes run in a thread, and end before their caller returns."""

import asyncio
import threading

import pytest

from api.session.large_writes import LARGE_BYTES, in_thread, write_ahead
from storage.volume.recording import VolumeRecording


async def test_only_large_pcm_is_written_in_front_of_its_checkpoint(
    recording: VolumeRecording,
) -> None:
    assert await write_ahead(recording, bytes(LARGE_BYTES)) == (bytes(LARGE_BYTES), 0)
    assert await write_ahead(recording, bytes(LARGE_BYTES + 2)) == (b"", LARGE_BYTES + 2)


async def test_a_cancelled_caller_waits_for_the_end_of_the_write() -> None:
    started, may_end = threading.Event(), threading.Event()
    ended = []

    def write(number: int) -> None:
        started.set()
        may_end.wait()
        ended.append(number)

    writing = asyncio.create_task(in_thread(write, 1))
    await asyncio.to_thread(started.wait)
    writing.cancel()
    await asyncio.sleep(0)  # the cancellation arrives
    assert not writing.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert ended == [1]
