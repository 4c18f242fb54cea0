"""Child processes on the event loop: input, output, exit, and no leaked resources."""

import asyncio
import contextlib
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import anyio
import psutil
import pytest
import uvloop

from api.audio.ffmpeg import process as processes
from api.audio.ffmpeg.process import Process
from tests.descriptors import few_descriptors, open_descriptors
from tests.eventually import eventually, start_task

TRUE = (sys.executable, "-c", "")
ECHO = (sys.executable, "-c", "import sys; sys.stdout.write(sys.stdin.read().upper())")
WAIT = (sys.executable, "-c", "import time; print('here', flush=True); time.sleep(60)")


@contextlib.contextmanager
def busy_starting_threads() -> Iterator[None]:
    """Occupy the threads that start processes."""
    free = threading.Event()
    waiting = [processes.starting.submit(free.wait) for _ in range(processes.starting.size)]
    try:
        yield
    finally:
        free.set()
        for future in waiting:
            future.result()


async def all_output(process: Process) -> bytes:
    output = b""
    while block := await process.stdout.read():
        output += block
    return output


async def test_input_reaches_the_child_and_its_output_is_read() -> None:
    process = await Process.start(ECHO)
    process.stdin.write(b"some text")
    process.stdin.close()
    assert await all_output(process) == b"SOME TEXT"
    assert await process.wait() == 0
    await process.end()


async def test_a_child_inherits_only_its_pipes_and_the_signal_mask() -> None:
    facts = (
        "import os, signal; print(os.getpgid(0) == os.getpid(),"
        " open('/proc/self/environ').read(), sorted(os.listdir('/proc/self/fd'))[:-1],"
        " signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, ()))"
    )
    process = await Process.start((sys.executable, "-c", facts))
    assert await all_output(process) == b"True  ['0', '1', '2'] True\n"
    assert await process.wait() == 0
    await process.end()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()


_SESSION_OF_CHILD = """
import asyncio, os, sys
from api.audio.ffmpeg.process import Process

async def main():
    process = await Process.start((sys.executable, "-c", "import os; print(os.getsid(0))"))
    child = int(await process.stdout.read())
    print("own session" if child == process.pid else "same session", child == os.getsid(0))
    await process.end()

asyncio.run(main())
"""


def test_a_child_cannot_reach_the_terminal_of_the_service() -> None:
    script = shlex.join([sys.executable, "-c", _SESSION_OF_CHILD])
    run = ["script", "--quiet", "--return", "--command", script, "/dev/null"]
    found = subprocess.run(
        run, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert found.stdout.strip() == "own session False"


def test_a_child_shares_the_processor_with_a_service_without_a_terminal() -> None:
    found = subprocess.run(
        [sys.executable, "-c", _SESSION_OF_CHILD],
        check=True,
        capture_output=True,
        text=True,
        start_new_session=True,
    )
    assert found.stdout == "same session True\n"


async def test_wait_returns_the_exit_status_of_a_killed_child() -> None:
    process = await Process.start(WAIT)
    assert await process.stdout.read() == b"here\n"
    waiting = await start_task(process.wait())
    process.kill()
    assert await waiting == -9
    assert process.returncode == await process.wait() == -9
    await process.end()


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_pipe_closes_its_descriptor_exactly_once(
    monkeypatch: pytest.MonkeyPatch, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    opened: list[int] = []
    close = processes._Pipe.close

    def close_late(pipe: processes._Pipe) -> None:
        # If the descriptor were already closed, this call would get its number, as a
        # call in another thread can.
        opened.append(os.open(os.devnull, os.O_RDONLY))
        close(pipe)

    async def start_and_close() -> None:
        process = await Process.start(TRUE)
        await process.wait()
        await process.end()

    async def start_twice() -> None:
        await start_and_close()  # the first start opens the loop's own descriptors
        monkeypatch.setattr(processes._Pipe, "close", close_late)
        descriptors = psutil.Process().num_fds()
        await start_and_close()
        assert psutil.Process().num_fds() == descriptors + len(opened)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(start_twice())
    assert len(opened) == 3
    for fd in opened:
        os.close(fd)  # raises if the pipe closed it too


async def test_the_event_loop_goes_on_while_a_process_starts() -> None:
    """Here the start waits for a thread, as it would for a disk with the program."""
    with busy_starting_threads():
        start = await start_task(Process.start(TRUE))
        await asyncio.sleep(0)
        assert not start.done()
    await (await start).end()


async def test_a_start_that_is_cancelled_while_it_waits_for_a_thread_never_starts() -> None:
    descriptors, children = psutil.Process().num_fds(), psutil.Process().children()
    with busy_starting_threads():
        start = await start_task(Process.start(WAIT))
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
    await asyncio.gather(*(processes.starting.run(int) for _ in range(processes.starting.size)))
    assert psutil.Process().children() == children
    assert psutil.Process().num_fds() == descriptors


async def test_a_missing_program_raises_file_not_found() -> None:
    with pytest.raises(FileNotFoundError):
        await Process.start(("/nowhere/ffmpeg",))


@pytest.mark.parametrize("delay_seconds", [0, 0.0002, 0.0005, 0.001, 0.002, 0.01])
async def test_a_cancelled_start_leaves_no_process_and_no_descriptor(delay_seconds: float) -> None:
    """Whether it is cancelled before, while or after the thread starts the process."""
    descriptors, children = psutil.Process().num_fds(), psutil.Process().children()
    starting = await start_task(Process.start(WAIT))
    asyncio.get_running_loop().call_later(delay_seconds, starting.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        (await starting).terminate()
    await eventually(
        lambda: (psutil.Process().children(), psutil.Process().num_fds()),
        lambda left: left == (children, descriptors),
        awaiting="no process and no descriptor is left",
    )


@pytest.mark.parametrize("left", range(10))
async def test_a_process_that_finds_no_descriptor_leaves_none_and_no_child(left: int) -> None:
    await (await Process.start(TRUE)).end()  # opens the loop's own descriptors
    descriptors, children = open_descriptors(), psutil.Process().children()
    with few_descriptors(left), contextlib.suppress(OSError):
        await (await Process.start(TRUE)).end()
    await eventually(
        lambda: (psutil.Process().children(), open_descriptors()),
        lambda left: left == (children, descriptors),
        awaiting="no process and no descriptor is left",
    )


async def test_a_process_is_reaped_and_its_pipes_close_in_a_cancelled_scope() -> None:
    descriptors, children = psutil.Process().num_fds(), psutil.Process().children()

    async def run() -> None:
        process = await Process.start(WAIT)
        try:
            await process.wait()
        finally:
            await process.end()

    with anyio.CancelScope() as scope:
        running = asyncio.get_running_loop().call_later(0.2, scope.cancel)
        await run()
    running.cancel()
    await eventually(
        lambda: (psutil.Process().children(), psutil.Process().num_fds()),
        lambda left: left == (children, descriptors),
        awaiting="no process and no descriptor is left",
    )
