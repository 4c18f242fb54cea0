"""Listening to a session while it is recorded, over real sockets."""

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any

import psutil
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.audio import cut_anywhere, decode, encode, pcm, speech
from tests.service import Client, Service


class Listener:
    """Listens to a session; ``heard`` is the received PCM from frame ``begin_frame`` on."""

    def __init__(self, socket: ClientConnection, greeting: dict[str, Any]) -> None:
        self.greeting = greeting
        self.heard = bytearray()
        self.begin_frame: int | None = None
        self.final: dict[str, Any] = {}
        self._socket = socket
        self._frame_bytes = 2 * greeting["channels"]

    async def hear(self, pcm_bytes: int | None = None) -> bytes:
        """Receive ``pcm_bytes`` of audio, or all of it, and check that there are no gaps."""
        while pcm_bytes is None or len(self.heard) < pcm_bytes:
            message = await self._socket.recv()
            if isinstance(message, str):
                self.final = json.loads(message)
                return bytes(self.heard)
            (position,) = struct.unpack_from("<Q", message)
            if self.begin_frame is None:
                self.begin_frame = position
            assert position == self.begin_frame + len(self.heard) // self._frame_bytes
            self.heard += message[8:]
        return bytes(self.heard)

    async def closed(self) -> int | None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self._socket.recv()
        return self._socket.close_code


@contextlib.asynccontextmanager
async def listening(service: Service, session_id: str, query: str = "") -> AsyncIterator[Listener]:
    url = f"{service.ws_url}/{session_id}/listen{query}"
    async with connect(url, max_size=None) as socket:
        yield Listener(socket, json.loads(await socket.recv()))


async def send_all(client: Client, data: bytes) -> None:
    for piece in cut_anywhere(data, seed=1, largest=20_000):
        await client.send(piece)


async def test_a_listener_hears_a_live_session_from_its_start(service: Service) -> None:
    data = pcm(200_000, channels=2)
    async with service.session(channels=2) as client:
        await send_all(client, data[:300_002])
        async with listening(service, client.session_id) as listener:
            assert listener.greeting["type"] == "session"
            assert listener.greeting["format"] == "pcm_s16le"
            assert await listener.hear(300_000) == data[:300_000]
            await send_all(client, data[300_002:])
            final = await client.close_session()
            assert await listener.hear() == data
            assert listener.final == final
            assert await listener.closed() == 1000


async def test_a_late_listener_can_start_now_or_at_any_frame(service: Service) -> None:
    data = pcm(50_000)
    async with service.session() as client:
        await client.send(data[:60_000])
        async with (
            listening(service, client.session_id, "?from=now") as late,
            listening(service, client.session_id, "?from=123") as between,
            listening(service, client.session_id, "?from=40000") as ahead,
        ):
            await client.send(data[60_000:])
            await client.close_session()
            assert (await late.hear(), late.begin_frame) == (data[60_000:], 30_000)
            assert (await between.hear(), between.begin_frame) == (data[246:], 123)
            assert (await ahead.hear(), ahead.begin_frame) == (data[80_000:], 40_000)


async def test_a_listener_hears_a_decoded_stream_while_it_is_recorded(service: Service) -> None:
    data = encode(speech(), "-c:a", "libopus", "-f", "webm")
    async with (
        service.session(sample_rate=16000) as client,
        listening(service, client.session_id) as listener,
    ):
        hearing = asyncio.create_task(listener.hear())
        await send_all(client, data)
        await client.close_session()
        assert await hearing == decode(data, sample_rate=16000)


async def test_a_listener_hears_a_completed_session_to_its_end(service: Service) -> None:
    async with service.session() as client:
        await client.send(pcm(300_000))
        await client.close_session()
    async with listening(service, client.session_id) as listener:
        assert await listener.hear() == pcm(300_000)
        assert listener.final["status"] == "completed"


async def test_a_listener_that_does_not_read_neither_uses_memory_nor_delays(
    service: Service,
) -> None:
    process = psutil.Process(service.pid)
    async with service.session(sample_rate=96000, channels=2) as client:
        chunk = pcm(500_000, channels=2)
        await client.send(chunk)
        async with connect(
            f"{service.ws_url}/{client.session_id}/listen", max_queue=1, max_size=None
        ):
            before_bytes = process.memory_info().rss
            for _ in range(50):
                await client.send(chunk)
            assert process.memory_info().rss - before_bytes < 60_000_000
        final = await client.close_session()
    assert final["chunk_count"] == 51
    assert service.pcm(client.session_id) == 51 * chunk


@pytest.mark.parametrize("wrong", ["", "-1", "end", "1e3", "9" * 16, "%D9%A1"])
async def test_an_invalid_start_position_is_refused_by_name(service: Service, wrong: str) -> None:
    async with (
        service.session() as client,
        connect(f"{service.ws_url}/{client.session_id}/listen?from={wrong}") as socket,
    ):
        assert json.loads(await socket.recv())["code"] == "invalid_from"


async def test_deleting_a_session_disconnects_its_listeners(service: Service) -> None:
    async with service.session() as client:
        await client.send(pcm(100))
        async with listening(service, client.session_id) as listener:
            await listener.hear(200)
            await asyncio.to_thread(service.delete, f"/api/audio/sessions/{client.session_id}")
            assert await listener.closed() == 1008


async def test_the_connection_limit_of_a_session_applies_to_its_listeners(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(max_connections_per_session=1)
    async with (
        service.session() as client,
        listening(service, client.session_id),
        listening(service, client.session_id) as second,
    ):
        assert await second.closed() == 1013


async def test_a_listener_on_another_node_hears_the_same_audio(
    on_bucket: Callable[..., Service],
) -> None:
    owner, other = on_bucket(), on_bucket()
    data = pcm(100_000)
    async with owner.session() as client, listening(other, client.session_id) as listener:
        await send_all(client, data)
        assert await listener.hear(len(data)) == data
        await client.close_session()
        await listener.hear()
        assert listener.final["status"] == "completed"
    async with listening(other, client.session_id, "?from=99000") as listener:
        assert await listener.hear() == data[2 * 99_000 :]
