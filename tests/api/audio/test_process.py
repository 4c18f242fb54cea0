"""A child process on the event loop: fed, read, ended, and nothing left of it."""

import asyncio
import sys

import psutil
import pytest

from api.audio.process import Process

ECHO = (sys.executable, "-c", "import sys; sys.stdout.write(sys.stdin.read().upper())")
WAIT = (sys.executable, "-c", "import time; print('here', flush=True); time.sleep(60)")


async def test_what_goes_in_comes_out() -> None:
    process = await Process.start(ECHO)
    process.stdin.write(b"some text")
    process.stdin.close()
    assert await process.stdout.read() == b"SOME TEXT"
    assert await process.wait() == 0
    await process.close()


async def test_an_end_is_noticed_whenever_it_comes() -> None:
    process = await Process.start(WAIT)
    assert await process.stdout.readline() == b"here\n"
    waiting = asyncio.create_task(process.wait())
    await asyncio.sleep(0)
    process.kill()
    assert await waiting == -9
    assert process.returncode == await process.wait() == -9
    await process.close()


async def test_what_cannot_be_executed_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        await Process.start(("/nowhere/ffmpeg",))


async def test_who_gives_up_while_it_starts_leaves_nothing_behind() -> None:
    descriptors = psutil.Process().num_fds()
    starting = asyncio.create_task(Process.start(WAIT))
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert psutil.Process().children() == []
    assert psutil.Process().num_fds() == descriptors
