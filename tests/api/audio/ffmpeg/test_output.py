"""The output of a process: complete, in order, in few blocks, and read no faster than consumed."""

import asyncio
import os

import pytest

from api.audio.ffmpeg.output import Output
from tests.eventually import eventually, start_task

BLOCK = bytes(range(256)) * 128  # more than live audio has


class Pipe:
    """A pipe whose reading end the event loop reads."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        os.set_blocking(self.writing, False)

    async def connect(self) -> Output:
        _, output = await asyncio.get_running_loop().connect_read_pipe(
            lambda: Output(self.reading), os.fdopen(self.reading, "rb", 0)
        )
        return output

    def write(self, data: bytes) -> None:
        assert os.write(self.writing, data) == len(data)

    def close(self) -> None:
        os.close(self.writing)


@pytest.fixture
def pipe() -> Pipe:
    return Pipe()


async def test_small_blocks_are_read_together_and_before_the_end(pipe: Pipe) -> None:
    output = await pipe.connect()
    output.gather()
    output.gather()
    for data in (b"one", b"two"):
        pipe.write(data)
    assert await output.read() == b"onetwo"
    pipe.write(b"three")
    assert await output.read() == b"three"
    output.gather()
    pipe.write(b"four")
    pipe.close()
    assert await output.read() == b"four"
    assert await output.read() == await output.read() == b""
    output.gather()  # after the end nothing happens


async def test_output_after_a_gathering_without_any_is_read(pipe: Pipe) -> None:
    output = await pipe.connect()
    output.gather()
    await eventually(lambda: output._gathering, lambda timer: timer is None, awaiting="the timer")
    pipe.write(b"late")
    assert await output.read() == b"late"
    pipe.close()
    assert await output.read() == b""


async def test_the_process_is_slowed_down_while_nobody_reads(pipe: Pipe) -> None:
    output, written = await pipe.connect(), 0

    async def is_full() -> bool:
        nonlocal written
        try:
            written += os.write(pipe.writing, BLOCK)
        except BlockingIOError:
            return len(output._unread) >= 256 * 1024
        return False

    while not await is_full():
        await asyncio.sleep(0)
    assert len(output._unread) < 512 * 1024
    pipe.close()
    read = 0
    while block := await output.read():
        assert len(block) <= 64 * 1024  # so that a client that does not read holds no more
        read += len(block)
    assert read == written


async def test_what_is_taken_at_once_does_not_reach_the_reader(pipe: Pipe) -> None:
    output, taken, is_busy = await pipe.connect(), bytearray(), False

    def take_now(data: bytes) -> bool:
        if not is_busy:
            taken.extend(data)
        return not is_busy

    output.take_now = take_now
    reading = await start_task(output.read())
    pipe.write(b"one")
    await eventually(lambda: bytes(taken), b"one".__eq__, awaiting="a small block")
    pipe.write(BLOCK)
    await eventually(lambda: bytes(taken), (b"one" + BLOCK).__eq__, awaiting="a large block")
    assert not reading.done()
    is_busy = True
    pipe.write(b"two")
    assert await reading == b"two"
    is_busy = False
    pipe.write(b"three")  # not taken, because no `read` waits
    await eventually(lambda: output._unread, awaiting="unread output")
    pipe.close()
    assert await output.read() == b"three"
    assert await output.read() == b""
    assert taken == b"one" + BLOCK


async def test_the_reader_gets_the_end_after_what_was_taken_at_once(pipe: Pipe) -> None:
    output, taken = await pipe.connect(), bytearray()

    def take_now(data: bytes) -> bool:
        taken.extend(data)
        return True

    output.take_now = take_now
    reading = await start_task(output.read())
    output.data_received(b"last")
    output._transport.close()  # before the timer reads what follows
    assert await asyncio.wait_for(reading, 5) == b""
    assert taken == b"last"
    pipe.close()
