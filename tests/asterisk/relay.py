"""A WebSocket relay that keeps what a platform sends, and what the service answers."""

import contextlib
from collections.abc import AsyncIterator

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.eventually import start_task
from tests.platforms import Message


class Relay:
    """Relays every connection to ``target``."""

    def __init__(self, target: str, headers: dict[str, str]) -> None:
        self.calls: list[list[Message]] = []
        self.answers: list[Message] = []
        self.url = ""
        self._target = target
        self._headers = headers

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Relay"]:
        async with serve(
            self._relay, "127.0.0.1", 0, subprotocols=[Subprotocol("media")], compression=None
        ) as server:
            self.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield self

    async def _relay(self, platform: ServerConnection) -> None:
        sent: list[Message] = []
        self.calls.append(sent)
        async with connect(
            self._target,
            additional_headers=self._headers,
            subprotocols=[Subprotocol("media")],
            compression=None,
        ) as service:
            answering = await start_task(self._answer(service, platform))
            with contextlib.suppress(ConnectionClosed):
                async for message in platform:
                    await service.send(message)
                    sent.append(message)
            answering.cancel()

    async def _answer(self, service: ClientConnection, platform: ServerConnection) -> None:
        async for message in service:
            self.answers.append(message)
        await platform.close()
