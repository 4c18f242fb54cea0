"""Binary data for a pipe whose reader is slow, or gone."""

import asyncio
import os
import sys
from pathlib import Path

_PROGRAM = """
import asyncio
from sercuescribe_client.cli.standard_output import write_output

async def main():
    try:
        async with asyncio.timeout(0.2):
            await write_output(bytes(10_000_000))
    except TimeoutError:
        raise SystemExit(7)
    except BrokenPipeError:
        raise SystemExit(8)

asyncio.run(main())
"""


async def _run(reading: int | None, stdout: int) -> int:
    environ = {**os.environ, "PYTHONPATH": "clients/python/src"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PROGRAM, stdout=stdout, env=environ
    )
    os.close(stdout)
    if reading is not None:
        os.close(reading)
    return await asyncio.wait_for(process.wait(), 60)


async def test_a_reader_that_does_not_read_does_not_stop_the_event_loop() -> None:
    reading, writing = os.pipe()
    assert await _run(None, writing) == 7
    os.close(reading)


async def test_a_reader_that_is_gone_is_an_error() -> None:
    reading, writing = os.pipe()
    assert await _run(reading, writing) == 8


async def test_a_file_takes_everything(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "x", os.O_WRONLY | os.O_CREAT)
    assert await _run(None, descriptor) == 0
    assert (tmp_path / "x").stat().st_size == 10_000_000
