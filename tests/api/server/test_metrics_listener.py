"""METRICS_ADDRESS serves the metrics without credentials, also while the service stops."""

import asyncio
import contextlib
import socket
from collections.abc import Callable

import pytest
import requests

from api.access.api_keys import key_line, new_key
from api.server.metrics_listener import metrics_listener
from tests.audio import pcm
from tests.eventually import eventually
from tests.exposition import samples
from tests.ports import reserve_ports
from tests.service import Service


async def text() -> bytes:
    return b"x 1\n"


async def test_it_answers_get_and_head_of_metrics_and_nothing_else() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    async with metrics_listener(listening, text):
        got = await asyncio.to_thread(requests.get, f"{url}/metrics", timeout=10)
        headed = await asyncio.to_thread(requests.head, f"{url}/metrics", timeout=10)
        posted = await asyncio.to_thread(requests.post, f"{url}/metrics", timeout=10)
        other = await asyncio.to_thread(requests.get, f"{url}/", timeout=10)
    assert (got.status_code, got.content) == (200, b"x 1\n")
    assert (headed.status_code, headed.content) == (200, b"")
    assert (posted.status_code, other.status_code) == (404, 404)
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", port)


async def test_scrapes_are_not_in_the_access_log_and_other_requests_are(
    start_service: Callable[..., Service],
) -> None:
    (port,) = reserve_ports(1)
    service = start_service(metrics_address=f"127.0.0.1:{port}")
    assert requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).ok
    service.get("/health")
    await eventually(
        lambda: any("GET /health" in line for line in service.log), awaiting="a line of the log"
    )
    assert not any("GET /metrics" in line for line in service.log)


async def test_a_stopping_service_still_says_that_it_is_draining(
    start_service: Callable[..., Service],
) -> None:
    (port,) = reserve_ports(1)
    service = start_service(
        metrics_address=f"127.0.0.1:{port}",
        auth_mode="api_key",
        api_keys=key_line(new_key(), "alice", ["record"]),
    )
    url = f"http://127.0.0.1:{port}/metrics"
    assert samples(requests.get(url, timeout=10).text)["draining"] == 0
    seen: list[float] = []

    async def watch() -> float:
        try:
            answer = await asyncio.to_thread(requests.get, url, timeout=10)
            seen.append(samples(answer.text)["draining"])
        except requests.RequestException:
            pass
        return max(seen, default=0.0)

    # A connection that sends half a request delays the shutdown.
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(b"POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n" + pcm(1))
    await writer.drain()
    await asyncio.to_thread(service.get, "/health")
    stopping = asyncio.create_task(asyncio.to_thread(service.stop))
    await eventually(watch, awaiting="draining")
    writer.close()
    assert await stopping == 0
    del reader


async def test_of_several_workers_each_answers_for_all_also_after_one_was_replaced(
    start_service: Callable[..., Service],
) -> None:
    (port,) = reserve_ports(1)
    service = start_service(metrics_address=f"127.0.0.1:{port}", workers=2)

    async def workers() -> set[str]:
        url = f"http://127.0.0.1:{port}/metrics"
        answer = await asyncio.to_thread(requests.get, url, timeout=10)
        return {name for name in samples(answer.text) if name.startswith("draining")}

    both = {"draining{worker=1}", "draining{worker=2}"}
    assert await workers() == both
    service.worker(1).kill()
    with contextlib.suppress(requests.ConnectionError):  # that worker may have accepted it
        await workers()
    await eventually(workers, lambda found: found == both, awaiting="the metrics of both")
