"""A TCP proxy that a test can make cut or refuse connections, or drop answers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import cast

from tests.service import Service


class CuttingProxy:
    """Forward bytes to a service; ``cut`` resets all connections."""

    def __init__(self, service: Service) -> None:
        self.port = 0
        self.drops_answers = False
        self.service = service
        self._is_down = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def handle_connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._tasks.add(cast("asyncio.Task[None]", asyncio.current_task()))
        if self._is_down:
            writer.transport.abort()
            return
        try:
            up = await asyncio.open_connection("127.0.0.1", self.service.port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, up[1]}
        await asyncio.gather(
            self._forward(reader, up[1]), self._forward(up[0], writer, is_answer=True)
        )

    async def _forward(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        is_answer: bool = False,
    ) -> None:
        try:
            while data := await reader.read(65536):
                if not (is_answer and self.drops_answers):
                    writer.write(data)
                    await writer.drain()
        except OSError:
            pass
        writer.transport.abort()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    @contextlib.contextmanager
    def outage(self) -> Iterator[None]:
        """Cut all connections, and refuse new ones until the block ends."""
        self._is_down = True
        self.cut()
        yield
        self._is_down = False

    async def close(self) -> None:
        self.cut()
        await asyncio.gather(*self._tasks)


@contextlib.asynccontextmanager
async def cutting_proxy(service: Service) -> AsyncIterator[CuttingProxy]:
    proxy = CuttingProxy(service)
    server = await asyncio.start_server(proxy.handle_connection, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
