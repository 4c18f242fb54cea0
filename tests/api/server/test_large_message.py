"""A large message is joined beside the event loop, and stays in the order of the messages."""

import socket
import threading
from typing import Any

import pytest
from websockets.frames import Frame, Opcode

from api.server.large_message import LargeMessage, is_large
from tests.api.server.test_websocket_protocol import receive_until, session_of
from tests.audio import pcm
from tests.bad_clients import HANDSHAKE
from tests.service import Service

MEBIBYTE = 1024 * 1024


async def test_fragments_are_joined_in_another_thread() -> None:
    fragments: Any = [b"a" * MEBIBYTE, b"b", b"c" * MEBIBYTE]
    threads: list[int] = []

    class Watched:
        def __len__(self) -> int:
            return len(fragments)

        def __getitem__(self, index: int) -> bytes:
            threads.append(threading.get_ident())
            return bytes(fragments[index])

    watched: Any = Watched()
    assert await LargeMessage(watched).joined() == b"".join(fragments)
    assert threading.get_ident() not in threads
    assert threads


def test_only_a_message_of_a_mebibyte_in_several_fragments_is_large() -> None:
    assert is_large([bytes(MEBIBYTE - 1), b"x"])
    assert not is_large([bytes(MEBIBYTE - 2), b"x"])
    assert not is_large([bytes(2 * MEBIBYTE)])


@pytest.mark.engine
def test_chunks_before_and_behind_large_ones_are_recorded_in_order(service: Service) -> None:
    chunks = [pcm(size, seed=size) for size in (400, 2 * MEBIBYTE, 800, 3 * MEBIBYTE, 1200, 1600)]
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        connection.sendall(HANDSHAKE)
        session_id = session_of(connection)
        frames = b"".join(Frame(Opcode.BINARY, each).serialize(mask=True) for each in chunks)
        connection.sendall(frames)
        receive_until(connection, b'"chunk_count":6')
    assert service.pcm(session_id) == b"".join(chunks)
