"""The Litestar handlers carry a session under any ASGI server.

Every test runs with the service's own WebSocket protocol class, which records most chunks without
the handlers, and with uvicorn's, under which the handlers do everything.
"""

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.frames import Frame, Opcode

from tests.audio import cut, decode, encode, pcm, speech, wav
from tests.bad_clients import HANDSHAKE
from tests.eventually import eventually
from tests.service import Service

pytestmark = pytest.mark.engine


@pytest.fixture(
    scope="module",
    params=[("api.cli", "serve"), ("tests.plain_uvicorn",)],
    ids=["own classes", "uvicorn's classes"],
)
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    folder: Path = tmp_path_factory.mktemp("recordings")
    service = Service(folder)
    service.program = request.param
    service.start()
    yield service
    assert service.stop() == 0
    assert not [line for line in service.log if "Traceback" in line]


async def test_audio_and_controls_are_answered_in_order(service: Service) -> None:
    audio = [pcm(50, seed=number) for number in range(200)]
    async with service.session(sample_rate=48000) as client:
        for number, piece in enumerate(audio, start=1):
            await client.socket.send(piece)
            if number % 7 == 0:
                await client.socket.send('{"type": "control", "action": "status"}')
        expected = [
            (kind, number)
            for number in range(1, 201)
            for kind in (["chunk", "control"] if number % 7 == 0 else ["chunk"])
        ]
        answers = [await client.receive() for _ in expected]
        assert [(answer["type"], answer["chunk_count"]) for answer in answers] == expected
        final = await client.close_session()
    assert (final["status"], final["chunk_count"]) == ("completed", 200)
    assert service.pcm(client.session_id) == b"".join(audio)


@pytest.mark.parametrize("size_bytes", [1, 333, 9000, 300_000])
async def test_a_session_of_any_chunks_is_exact(service: Service, size_bytes: int) -> None:
    audio = pcm(min(200_000, 150 * size_bytes))
    async with service.session() as client:
        pieces = list(cut(audio, size_bytes))
        for piece in pieces:
            await client.socket.send(piece)
        for number in range(len(pieces)):
            assert (await client.receive())["chunk_count"] == number + 1
        await client.close_session()
    assert service.pcm(client.session_id) == audio


async def test_a_stream_that_changes_its_format_and_back_is_exact(service: Service) -> None:
    flac = encode(speech(), "-f", "flac")
    async with service.session(sample_rate=22050) as client:
        first, last = (wav(pcm(frames), sample_rate=22050) for frames in (3000, 500))
        for piece in [*cut(first, 1000), *cut(flac, 4000), *cut(last, 100)]:
            assert (await client.send(piece))["type"] == "chunk"
        await client.close_session()
    expected = pcm(3000) + decode(flac, sample_rate=22050) + pcm(500)
    assert service.pcm(client.session_id) == expected


async def test_a_stream_is_resumed_on_another_connection(service: Service) -> None:
    audio = pcm(5001)
    async with service.session() as client:
        assert (await client.send(audio[:5001]))["chunk_count"] == 1
        client.drop()
    async with service.session(f"/{client.session_id}", resume="true") as client:
        assert client.greeting["chunk_count"] == 1
        assert (await client.send(audio[5001:]))["chunk_count"] == 2
        await client.close_session()
    assert service.pcm(client.session_id) == audio


async def test_a_client_that_replaces_its_connection_loses_nothing(service: Service) -> None:
    async with service.session() as first:
        for _ in range(10):  # as many answers as the client buffers
            await first.socket.send(pcm(100))
        async with service.session(f"/{first.session_id}", resume="true") as second:
            sent = second.greeting["chunk_count"]
            assert (await first.closed())[0] == 4103
            await second.send(pcm(100))
            await second.close_session()
    assert service.pcm(first.session_id) == pcm(100) * (sent + 1)


async def test_a_client_that_reads_late_gets_every_acknowledgement(service: Service) -> None:
    frame = Frame(Opcode.BINARY, bytes(64)).serialize(mask=True)
    received = bytearray()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(30)
        client.connect(("127.0.0.1", service.port))
        client.sendall(HANDSHAKE)
        sending = asyncio.create_task(asyncio.to_thread(client.sendall, frame * 20_000))
        await eventually(
            lambda: service.get("/api/audio/sessions?limit=1").json()["sessions"],
            lambda found: found and found[0]["total_chunks"] > 3000,
            awaiting="chunks of a client that does not read",
        )

        def receive_all() -> None:
            while b'"chunk_count":20000' not in received[-1000:]:
                received.extend(client.recv(65536))

        await asyncio.to_thread(receive_all)
        await sending
    counts = [json.loads(b"{" + part) for part in _answers(bytes(received))]
    assert [answer["chunk_count"] for answer in counts] == list(range(1, 20_001))


def _answers(received: bytes) -> Iterator[bytes]:
    """Yield the acknowledgements, each without its first character."""
    for part in received.split(b'{"type":"chunk"')[1:]:
        yield b'"type":"chunk"' + part[: part.index(b"}") + 1]
