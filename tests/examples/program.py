"""Run an example as a process, and read its lines."""

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"


class Program:
    """A running example with the ``lines`` of its output and its ``error_lines``."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.lines: list[str] = []
        self.error_lines: list[str] = []
        self.process = process
        self._changed = asyncio.Condition()
        self._read_tasks = [
            asyncio.create_task(self._read(process.stdout, self.lines)),
            asyncio.create_task(self._read(process.stderr, self.error_lines)),
        ]

    async def wait_for_line(self, part: str) -> str:
        """Wait for a line of either output that contains ``part``, and return it."""
        async with asyncio.timeout(60), self._changed:
            while True:
                for line in self.lines + self.error_lines:
                    if part in line:
                        return line
                await self._changed.wait()

    async def wait(self) -> int:
        async with asyncio.timeout(60):
            await asyncio.gather(*self._read_tasks)
            return await self.process.wait()

    async def _read(self, stream: asyncio.StreamReader | None, lines: list[str]) -> None:
        assert stream is not None
        async for line in stream:
            async with self._changed:
                lines.append(line.decode().rstrip("\n"))
                self._changed.notify_all()


@contextlib.asynccontextmanager
async def run_example(example: str, *arguments: str) -> AsyncIterator[Program]:
    """Run an example; kill it at the end if it still runs."""
    client = ROOT / "clients" / "python" / "src"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        EXAMPLES / example,
        *arguments,
        stdout=PIPE,
        stderr=PIPE,
        env={**os.environ, "PYTHONPATH": str(client)},
    )
    program = Program(process)
    try:
        yield program
    finally:
        if process.returncode is None:
            process.kill()
        await program.wait()
