"""What serves a connection or a session is freed when that ends, without a garbage collection.

A full collection stops the event loop, for a tenth of a second with a thousand live sessions.
"""

import os
import re
import signal
from collections.abc import Iterator

import pytest

from tests import engines
from tests.audio import cut, encode, pcm, speech
from tests.eventually import eventually
from tests.service import Service

pytestmark = pytest.mark.engine

_WEBM = encode(
    speech(), "-c:a", "libopus", "-f", "webm", "-live", "1", "-cluster_time_limit", "100"
)
_STREAMS = {"pcm": pcm(1000)[:-1], "webm": _WEBM, "nothing": b""}


@pytest.fixture(scope="module", params=["volume", "bucket"])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    settings: dict[str, object] = {"session_idle_timeout_seconds": 1}
    if request.param == "bucket":
        settings |= {
            "storage_backend": "s3",
            "s3_bucket": engines.BUCKET,
            "s3_prefix": "freed-objects/",
            "s3_endpoint_url": request.getfixturevalue("seaweedfs_url"),
        }
    service = Service(tmp_path_factory.mktemp("recordings"), **settings)
    service.program = ("tests.uncollected_service",)
    service.start()
    yield service
    service.stop()


@pytest.mark.parametrize("data", _STREAMS.values(), ids=_STREAMS.keys())
async def test_nothing_of_ended_sessions_is_left(service: Service, data: bytes) -> None:
    async with service.session() as closed, service.session() as dropped, service.session() as bad:
        assert await count_objects(service) >= 3 * 4
        for client in (closed, dropped, bad):
            for chunk in cut(data, 500):
                await client.send(chunk)
        await closed.close_session()
        dropped.drop()
        await bad.socket.send(b"\xff", text=True)
        await bad.socket.wait_closed()
    await eventually(
        lambda: count_objects(service), lambda count: count == 0, awaiting="no objects"
    )


async def count_objects(service: Service) -> int:
    """Return how many objects that serve a connection or a session the service has."""
    seen = len(service.log)
    os.kill(service.pid, signal.SIGUSR2)
    (count,) = await eventually(
        lambda: re.findall(r"objects: (\d+)", "".join(service.log[seen:])), awaiting="a count"
    )
    return int(count)
