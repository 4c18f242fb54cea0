"""Readers that stop reading: their number is limited, and what they leave is cleaned up."""

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable

import psutil
from websockets.asyncio.client import connect

from tests.audio import pcm
from tests.eventually import eventually
from tests.service import Service


def open_download(service: Service, path: str) -> socket.socket:
    """Return a connection that asks for ``path`` and reads nothing."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", service.port))
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    connection.recv(1)  # the answer has started
    return connection


async def test_a_reader_above_the_limit_of_its_caller_is_refused_until_another_ends(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(max_readers_per_caller=1)
    session_id = await service.record(pcm(4_000_000), sample_rate=48000, channels=2)
    path = f"/api/audio/sessions/{session_id}"
    with await asyncio.to_thread(open_download, service, f"{path}/audio"):
        for query in ("/audio", "/audio?format=flac", "/waveform"):
            refused = await asyncio.to_thread(service.get, path + query)
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_readers")
            assert refused.headers["Retry-After"] == "5"
        async with connect(f"{service.ws_url}/{session_id}/listen") as listener:
            assert json.loads(await listener.recv())["code"] == "too_many_readers"
    assert (await asyncio.to_thread(service.get, f"{path}/audio")).status_code == 200


async def test_conversions_that_are_not_read_leave_room_for_other_callers(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(trusted_proxies="127.0.0.1")
    session_id = await service.record(pcm(4_000_000), sample_rate=48000, channels=2)
    path = f"/api/audio/sessions/{session_id}/audio?format=flac"
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(await asyncio.to_thread(open_download, service, path))
        other = {"X-Forwarded-For": "192.0.2.7"}
        answer = await asyncio.to_thread(service.get, f"{path}&end=0.1", headers=other)
        assert answer.content.startswith(b"fLaC")


async def test_aborted_conversions_leave_no_process_and_no_descriptor(
    start_service: Callable[..., Service],
) -> None:
    service = start_service()
    session_id = await service.record(pcm(4_000_000), sample_rate=48000, channels=2)
    process = psutil.Process(service.pid)
    path = f"/api/audio/sessions/{session_id}/audio?format=mp3"
    await asyncio.to_thread(service.get, f"{path}&end=0.1")  # opens what stays open
    await asyncio.sleep(0)
    descriptors = process.num_fds()
    for round_ in range(10):
        connections = []
        for _ in range(8):
            connection = socket.create_connection(("127.0.0.1", service.port))
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            connections.append(connection)
        await asyncio.sleep(0.05 * round_ / 2)  # abort at different points of the start
        for connection in connections:
            connection.close()
    await eventually(
        lambda: (process.children(), process.num_fds()),
        lambda left: not left[0] and left[1] <= descriptors,
        awaiting="no process and no descriptor is left",
    )
    assert not [line for line in service.log if "Traceback" in line]
