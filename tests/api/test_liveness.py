"""The contract of the extension: any sign of life keeps a connection, and no other one stays."""

import asyncio
from typing import Any

import pytest
from websockets.frames import Frame, Opcode

from api.liveness import is_alive
from tests.api.server.wire import Conversation

PING = b"\x89\x06alive?"


class App:
    """Collects messages, and the code with which the connection has ended."""

    def __init__(self) -> None:
        self.scope: Any = None
        self.messages: list[bytes] = []
        self.code: int | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope = scope
        await receive()
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] == "websocket.receive":
            self.messages.append(event["bytes"])
        self.code = event["code"]


async def asked() -> tuple[App, Conversation, "asyncio.Task[bool]"]:
    """Return a connection to which the ping has just been sent."""
    app = App()
    conversation = Conversation(app)
    await conversation.settle()
    asking = asyncio.create_task(is_alive(app.scope))
    while not conversation.transport.written.endswith(PING):
        await asyncio.sleep(0)
    return app, conversation, asking


def frame(opcode: Opcode, payload: bytes) -> bytes:
    return Frame(opcode, payload).serialize(mask=True)


@pytest.mark.parametrize("payload", [b"alive?", b"pong", b""])
async def test_a_client_that_sends_any_pong_is_alive_at_once(payload: bytes) -> None:
    _, conversation, asking = await asked()
    conversation.protocol.data_received(frame(Opcode.PONG, payload))
    assert await asyncio.wait_for(asking, 1)
    assert not conversation.transport.is_closing()
    await conversation.end()


async def test_a_client_that_sends_messages_and_no_pong_is_alive() -> None:
    app, conversation, asking = await asked()
    conversation.protocol.data_received(frame(Opcode.BINARY, b"audio"))
    assert await asking
    assert app.messages == [b"audio"]
    assert not conversation.transport.is_closing()
    await conversation.end()


async def test_a_connection_without_a_sign_of_life_is_closed() -> None:
    app, conversation, asking = await asked()
    assert not await asking
    assert conversation.transport.is_closing()
    assert b"\x03\xf3keepalive ping timeout" in conversation.transport.written
    await conversation.end()
    assert app.code == 1006


async def test_a_connection_that_is_lost_meanwhile_is_not_alive() -> None:
    _, conversation, asking = await asked()
    await conversation.end()
    assert not await asyncio.wait_for(asking, 1)


async def test_a_connection_that_the_client_is_closing_is_asked_nothing() -> None:
    app = App()
    conversation = Conversation(app)
    await conversation.settle()
    conversation.protocol.data_received(frame(Opcode.CLOSE, b"\x03\xe8"))
    assert not await is_alive(app.scope)
    assert PING not in conversation.transport.written
    await conversation.end()
    assert app.code == 1000


async def test_handlers_that_ask_at_the_same_time_share_one_ping() -> None:
    app, conversation, asking = await asked()
    second = asyncio.create_task(is_alive(app.scope))
    await asyncio.sleep(0)
    conversation.protocol.data_received(frame(Opcode.PONG, b"alive?"))
    assert all(await asyncio.gather(asking, second))
    assert conversation.transport.written.count(PING) == 1
    await conversation.end()


async def test_a_connection_whose_server_cannot_ask_counts_as_alive() -> None:
    assert await is_alive({"type": "websocket"})
