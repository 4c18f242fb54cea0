"""A network that breaks on command."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import cast

from tests.service import Service


class Proxy:
    """Passes bytes on until it is told to cut every connection, or to lose all answers."""

    def __init__(self, service: Service) -> None:
        self.port = 0
        self.is_losing_answers = False
        self.service = service
        self._writers: set[asyncio.StreamWriter] = set()
        self._passing: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._passing.add(cast("asyncio.Task[None]", asyncio.current_task()))
        try:
            up = await asyncio.open_connection("127.0.0.1", self.service.port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, up[1]}
        await asyncio.gather(
            self._pass(reader, up[1]), self._pass(up[0], writer, is_answering=True)
        )

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        is_answering: bool = False,
    ) -> None:
        try:
            while data := await reader.read(65536):
                if not (is_answering and self.is_losing_answers):
                    writer.write(data)
                    await writer.drain()
        except OSError:
            pass
        writer.transport.abort()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def end(self) -> None:
        self.cut()
        await asyncio.gather(*self._passing)


@contextlib.asynccontextmanager
async def cutting_proxy(service: Service) -> AsyncIterator[Proxy]:
    proxy = Proxy(service)
    server = await asyncio.start_server(proxy.connected, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.end()
