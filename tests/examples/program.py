"""An example as its user runs it: a process that prints lines."""

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
    """``lines`` has what it printed to standard output, ``complaints`` the rest."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.lines: list[str] = []
        self.complaints: list[str] = []
        self.process = process
        self._news = asyncio.Condition()
        self._reading = [
            asyncio.create_task(self._read(process.stdout, self.lines)),
            asyncio.create_task(self._read(process.stderr, self.complaints)),
        ]

    async def line(self, part: str) -> str:
        """The first line, printed or complained, with ``part`` in it, once it is there."""
        async with asyncio.timeout(60), self._news:
            while True:
                for line in self.lines + self.complaints:
                    if part in line:
                        return line
                await self._news.wait()

    async def ended(self) -> int:
        async with asyncio.timeout(60):
            await asyncio.gather(*self._reading)
            return await self.process.wait()

    async def _read(self, stream: asyncio.StreamReader | None, lines: list[str]) -> None:
        assert stream is not None
        async for line in stream:
            async with self._news:
                lines.append(line.decode().rstrip("\n"))
                self._news.notify_all()


@contextlib.asynccontextmanager
async def running(example: str, *arguments: str) -> AsyncIterator[Program]:
    """Runs an example; what still runs at the end is killed."""
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
        await program.ended()
