"""The endpoints for other workers are closed to clients."""

import socket
from collections.abc import Callable
from uuid import UUID

from api.cluster.siblings import COMPLETE_UNUSED, LIVE_SESSIONS
from tests.service import Service


def test_only_other_workers_are_answered(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(workers=2)
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
