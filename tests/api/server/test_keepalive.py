"""A client that is there stays connected, whenever its pong arrives."""

import os
import signal
import socket
import time
from collections.abc import Callable

from websockets.frames import Frame, Opcode

from tests.api.server.test_websocket_protocol import receive_until
from tests.audio import pcm
from tests.bad_clients import HANDSHAKE
from tests.service import Service


def test_a_pong_that_arrived_while_the_process_was_stopped_counts(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(ping_interval_seconds=1, ping_timeout_seconds=5)
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        connection.sendall(HANDSHAKE)
        received = receive_until(connection, b"\x89\x04")
        payload = received.split(b"\x89\x04")[1] or connection.recv(4)
        os.kill(service.pid, signal.SIGSTOP)
        connection.sendall(Frame(Opcode.PONG, payload[:4]).serialize(mask=True))
        time.sleep(7)  # longer than the timeout
        os.kill(service.pid, signal.SIGCONT)
        receive_until(connection, b"\x89\x04")
        connection.sendall(Frame(Opcode.BINARY, pcm(10)).serialize(mask=True))
        receive_until(connection, b'"chunk_count":1')
