"""A relay that forwards bytes both ways until it is cut."""

import asyncio
import contextlib

from sercuescribe_client.cli.cutting_relay import CuttingRelay


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data)
    writer.close()


async def test_a_cut_ends_connections_and_new_ones_are_forwarded() -> None:
    async with await asyncio.start_server(_echo, "127.0.0.1", 0) as server:
        relay = CuttingRelay(server.sockets[0].getsockname()[1])
        await relay.start()
        port = int(relay.url.rpartition(":")[2])
        for _ in range(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"ping")
            assert await reader.readexactly(4) == b"ping"
            await relay.cut()
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read(1) == b""
            writer.close()
        await relay.close()
