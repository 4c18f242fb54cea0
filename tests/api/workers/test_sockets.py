"""The sockets of workers are in a folder of their own."""

import asyncio
import socket
from pathlib import Path

from api.workers.sockets import WorkerSockets


def bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


def test_a_path_that_is_too_long_for_a_socket_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    sockets = WorkerSockets(folder)
    bind(sockets.http(1))
    bind(sockets.connections(1))
    found = sorted(path.name for path in (folder / ".workers").iterdir())
    assert found == ["1.connections", "1.http"]


def test_other_users_cannot_enter_the_folder(tmp_path: Path) -> None:
    (tmp_path / ".workers").mkdir(mode=0o777)
    WorkerSockets(tmp_path)
    assert (tmp_path / ".workers").stat().st_mode & 0o777 == 0o700


def test_the_workers_that_run_are_found_until_their_sockets_are_removed(tmp_path: Path) -> None:
    sockets = WorkerSockets(tmp_path)
    for number in (10, 2):
        bind(sockets.http(number))
        bind(sockets.connections(number))
    assert sockets.numbers() == [2, 10]
    sockets.remove(2)
    sockets.remove(3)
    assert sockets.numbers() == [10]
    sockets.clear()
    assert list((tmp_path / ".workers").iterdir()) == []


async def test_a_request_to_a_worker_that_starts_waits_until_it_serves(tmp_path: Path) -> None:
    sockets = WorkerSockets(tmp_path)
    waiting = asyncio.create_task(sockets.serving(1))
    await asyncio.sleep(0)
    assert not waiting.done()
    bind(sockets.http(1))
    assert await waiting == sockets.http(1)
