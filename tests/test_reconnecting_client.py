"""The reconnecting client of docs/protocol.md, extracted from its text and run unchanged."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.audio import cut_anywhere, decode, encode, pcm, speech
from tests.eventually import eventually
from tests.parameters import long_except_first
from tests.proxy import cutting_proxy
from tests.service import Service

DOCUMENT = (Path(__file__).parent.parent / "docs" / "protocol.md").read_text()
INPUTS = {
    "pcm": lambda: pcm(44100 * 8),
    "webm": lambda: encode(speech(), "-c:a", "libopus", "-f", "webm"),
}


def recorder(url: str) -> Any:
    (program,) = re.findall(r"```python\n(.*?class Recorder.*?)```", DOCUMENT, re.DOTALL)
    names: dict[str, Any] = {}
    exec(program, names)
    return names["Recorder"](url)


async def must_receive(service: Service, client: Any, more_than: int) -> int:
    """Wait until the service has more than ``more_than`` chunks, and return the count."""

    async def received() -> int:
        if client.session_id is None:
            return 0
        path = f"/api/audio/sessions/{client.session_id}"
        return int((await asyncio.to_thread(service.get, path)).json()["total_chunks"])

    return await eventually(
        received, lambda count: count > more_than, awaiting=f"more than {more_than} chunks"
    )


@pytest.mark.parametrize("kind", long_except_first(INPUTS))
async def test_the_reconnecting_client_loses_and_repeats_nothing(
    kind: str, start_service: Callable[..., Service]
) -> None:
    data = INPUTS[kind]()
    chunks = list(cut_anywhere(data, seed=1, largest=max(len(data) // 40, 16)))
    service = start_service(sync_interval_seconds=0.2)
    async with cutting_proxy(service) as proxy:
        client = recorder(f"ws://127.0.0.1:{proxy.port}/api/ws/audio")
        running = asyncio.create_task(client.run())
        received, step = 0, -(-len(chunks) // 6)
        for turn, start in enumerate(range(0, len(chunks), step)):
            for chunk in chunks[start : start + step]:
                client.add(chunk)
            received = await must_receive(service, client, received)
            if turn % 2:
                proxy.cut()
            else:
                service.kill()
                await asyncio.to_thread(service.start)
        client.finish()
        async with asyncio.timeout(60):
            await running
    expected = data if kind == "pcm" else decode(data, sample_rate=44100)
    assert service.pcm(client.session_id) == expected
    assert await asyncio.to_thread(service.stop) == 0
