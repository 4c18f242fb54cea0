"""Workers share out the connections to one socket."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from api.server.listener import SharedListener
from api.workers import loads
from api.workers.loads import Loads
from storage.worker import Worker
from tests.descriptors import few_descriptors
from tests.eventually import eventually


class Process:
    """A worker's listener, with its connections."""

    def __init__(self, listening: socket.socket, memory: int, number: int) -> None:
        self.connections: list[asyncio.BaseTransport] = []
        self.extra_load = 0
        self.loads = Loads(memory, Worker(number, 2))
        self.loads.publish(0)
        self.listener = SharedListener(listening.dup(), self.loads, self.load)

    def load(self) -> int:
        return len(self.connections) + self.extra_load

    def protocol(self) -> asyncio.Protocol:
        process = self

        class Connected(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                process.connections.append(transport)

        return Connected()


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


async def connect(listening: socket.socket, count: int) -> list[socket.socket]:
    loop = asyncio.get_running_loop()
    clients = [socket.socket() for _ in range(count)]
    for client in clients:
        client.settimeout(0)
        await loop.sock_connect(client, listening.getsockname())
    return clients


async def test_connections_are_shared_out_equally(listening: socket.socket) -> None:
    memory = loads.create_memory(2)
    first, second = (Process(listening, memory, number) for number in (1, 2))
    for process in (first, second):
        process.listener.start(process.protocol)
    clients = await connect(listening, 40)
    await eventually(lambda: first.load() + second.load() == 40, awaiting="40 connections")
    assert 17 <= first.load() <= 23
    for process in (first, second):
        process.listener.close()
    for client in clients:
        client.close()


async def test_a_worker_with_more_to_do_leaves_connections_to_others(
    listening: socket.socket,
) -> None:
    memory = loads.create_memory(2)
    first, second = (Process(listening, memory, number) for number in (1, 2))
    first.extra_load = 20
    for process in (first, second):
        process.listener.start(process.protocol)
    clients = await connect(listening, 15)
    await eventually(
        lambda: len(first.connections) + len(second.connections) == 15, awaiting="15 connections"
    )
    assert len(second.connections) >= 10
    for process in (first, second):
        process.listener.close()
    for client in clients:
        client.close()


async def test_a_worker_accepts_what_a_hanging_worker_does_not(listening: socket.socket) -> None:
    memory = loads.create_memory(2)
    first, idle = (Process(listening, memory, number) for number in (1, 2))
    first.listener.start(first.protocol)
    clients = await connect(listening, 10)
    await eventually(lambda: len(first.connections) == 10, awaiting="10 connections")
    first.listener.close()
    idle.listener.close()
    for client in clients:
        client.close()


async def test_a_worker_without_descriptors_accepts_later(
    listening: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    process = Process(listening, loads.create_memory(2), 1)
    process.listener.start(process.protocol)
    client = socket.socket()
    client.settimeout(0)
    with few_descriptors(0):
        await asyncio.get_running_loop().sock_connect(client, listening.getsockname())
        await eventually(lambda: "Failed to accept" in caplog.text, awaiting="the failure")
        for _ in range(100):  # turns of the event loop, each of which could try again
            await asyncio.sleep(0)
    await eventually(lambda: len(process.connections) == 1, awaiting="the connection")
    assert caplog.text.count("Failed to accept") <= 2
    process.listener.close()
    client.close()
