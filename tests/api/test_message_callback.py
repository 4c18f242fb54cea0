"""The contract of the extension: a message goes to the callback, or to `receive`, in order."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from websockets.frames import Frame, Opcode

from api.message_callback import EXTENSION, set_message_callback
from tests.api.server.wire import Conversation


def frame(payload: bytes) -> bytes:
    return Frame(Opcode.BINARY, payload).serialize(mask=True)


class App:
    """Collects ``(how, message)``; it waits for ``permission`` after each received message."""

    def __init__(self, take: Callable[[bytes], bytes | None]) -> None:
        self.got: list[tuple[str, Any]] = []
        self.permission = asyncio.Event()
        self.permission.set()
        self.error: Exception | None = None
        self._take = take

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        set_message_callback(scope, self._called)
        try:
            while (event := await receive())["type"] == "websocket.receive":
                self.got.append(("receive", event.get("bytes") or event.get("text")))
                await self.permission.wait()
        except ValueError as error:
            self.error = error

    def _called(self, message: bytes) -> bytes | None:
        answer = self._take(message)
        if answer is not None:
            self.got.append(("callback", message))
        return answer


async def opened(app: App) -> Conversation:
    conversation = Conversation(app)
    await conversation.settle()
    return conversation


async def test_the_callback_answers_within_the_call_that_brings_the_bytes() -> None:
    app = App(lambda _: b"x" * 200)
    conversation = await opened(app)
    conversation.protocol.data_received(frame(b"one"))
    assert app.got == [("callback", b"one")]
    assert conversation.transport.written.endswith(b"\x81\x7e\0\xc8" + b"x" * 200)
    await conversation.end()


@pytest.mark.parametrize("size_bytes", [0, 125, 126, 65535, 65536])
async def test_an_answer_of_any_size_is_a_text_frame(size_bytes: int) -> None:
    answer = b"y" * size_bytes
    conversation = await opened(App(lambda _: answer))
    conversation.protocol.data_received(frame(b"one"))
    expected = Frame(Opcode.TEXT, answer).serialize(mask=False)
    assert conversation.transport.written.endswith(expected)
    await conversation.end()


async def test_a_message_that_the_callback_does_not_take_is_received() -> None:
    app = App(lambda message: None if message == b"two" else b"ok")
    conversation = await opened(app)
    for message in (b"one", b"two", b"three"):
        conversation.protocol.data_received(frame(message))
        await conversation.settle()
    assert app.got == [("callback", b"one"), ("receive", b"two"), ("callback", b"three")]
    await conversation.end()


async def test_while_the_handler_is_busy_messages_are_received_in_order() -> None:
    app = App(lambda message: None if message == b"two" else b"ok")
    conversation = await opened(app)
    app.permission.clear()
    conversation.protocol.data_received(frame(b"two") + frame(b"three"))
    for _ in range(5):
        await asyncio.sleep(0)
    assert app.got == [("receive", b"two")]
    app.permission.set()
    await conversation.settle()
    conversation.protocol.data_received(frame(b"four"))
    assert app.got[1:] == [("receive", b"three"), ("callback", b"four")]
    await conversation.end()


async def test_while_the_client_does_not_read_messages_are_received() -> None:
    app = App(lambda _: b"ok")
    conversation = await opened(app)
    conversation.protocol.pause_writing()
    conversation.protocol.data_received(frame(b"one"))
    await conversation.settle()
    conversation.protocol.resume_writing()
    conversation.protocol.data_received(frame(b"two"))
    assert app.got == [("receive", b"one"), ("callback", b"two")]
    await conversation.end()


async def test_after_the_close_frame_of_the_client_no_message_is_passed_on() -> None:
    app = App(lambda _: b"ok")
    conversation = await opened(app)
    close = Frame(Opcode.CLOSE, b"\x03\xe8").serialize(mask=True)
    conversation.protocol.data_received(close + frame(b"late"))
    assert conversation.protocol.queue.get_nowait()["type"] == "websocket.disconnect"
    assert conversation.protocol.queue.empty()
    conversation.protocol.queue.put_nowait({"type": "websocket.disconnect"})
    await conversation.end()
    assert app.got == []


async def test_receive_raises_what_the_callback_raises() -> None:
    def fail(message: bytes) -> bytes:
        raise ValueError(message)

    app = App(fail)
    conversation = await opened(app)
    conversation.protocol.data_received(frame(b"one"))
    for _ in range(5):
        await asyncio.sleep(0)
    assert repr(app.error) == repr(ValueError(b"one"))
    await conversation.end()


@pytest.mark.parametrize("scope", [{}, {"extensions": None}, {"extensions": {"other": {}}}])
def test_a_server_without_the_extension_is_left_alone(scope: Any) -> None:
    set_message_callback(scope, lambda _: None)
    assert EXTENSION not in (scope.get("extensions") or {})
