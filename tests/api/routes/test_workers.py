"""The endpoints for other workers are closed to clients."""

import socket
import struct
from collections.abc import Iterator
from uuid import UUID

import pytest

from api.cluster.siblings import COMPLETE_UNUSED, LIVE_SESSIONS
from tests.eventually import eventually
from tests.service import Service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("recordings"), workers=2).start()
    yield service
    service.stop()


async def test_a_client_that_resets_its_connection_is_not_taken_for_a_worker(
    service: Service,
) -> None:
    """The system then no longer knows its address, and a connection of a worker has none."""
    for worker in service.workers():
        worker.suspend()
    for _ in range(10):
        with socket.create_connection(("127.0.0.1", service.port)) as client:
            target = f"{COMPLETE_UNUSED}?user_id=reset"
            client.sendall(f"POST {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    for worker in service.workers():
        worker.resume()
    answered = await eventually(
        lambda: [line.split()[-1] for line in service.log if "user_id=reset" in line],
        awaiting="a request of a client that is gone",
    )
    assert set(answered) == {"404"}


def test_only_other_workers_are_answered(service: Service) -> None:
    path = f"{COMPLETE_UNUSED}?user_id=ann"
    for headers in ({}, {"X-Sercuescribe-Relayed": "worker"}, {"X-Forwarded-For": "127.0.0.1"}):
        assert service.post(path, headers=headers).status_code == 404
    sessions = f"{LIVE_SESSIONS}?oldest={UUID(int=0)}&newest={UUID(int=2**128 - 1)}"
    assert service.get(sessions, headers={"X-Sercuescribe-Relayed": "worker"}).status_code == 404
    with socket.socket(socket.AF_UNIX) as worker:
        worker.connect(str(service.folder / ".workers" / "1.http"))
        request = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        worker.sendall(request.encode())
        answer = b"".join(iter(lambda: worker.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\nfalse")
