"""Asterisk itself records calls to the service. ``make test-asterisk`` runs this file.

With ASTERISK_FIXTURES it writes what Asterisk has sent into this folder, for
tests/api/dialects/test_asterisk.py.
"""

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from api.access.api_keys import key_line, new_key
from api.audio import g711
from tests.asterisk.process import Asterisk
from tests.asterisk.relay import Relay
from tests.eventually import eventually
from tests.platforms import Message
from tests.service import Service

UNPACKED = Path(".venv/asterisk").absolute()
TOKEN = new_key(["ingest"])
ADMIN = new_key()
KEYS = f"{key_line(TOKEN, 'phone', ['ingest'])};{key_line(ADMIN, 'admin', ['admin'])}"

FORMATS = {
    "ulaw": ("c(ulaw)", 8000),
    "ulaw-json": ("c(ulaw)f(json)", 8000),
    "alaw-json": ("c(alaw)f(json)", 8000),
    "slin16": ("c(slin16)", 16000),
}


def audio_of(messages: list[Message], codec: str) -> bytes:
    """Return the PCM of the binary messages."""
    data = b"".join(each for each in messages if isinstance(each, bytes))
    if codec.startswith("slin"):
        return data
    return bytes(g711.decode("mulaw" if codec.startswith("ulaw") else "alaw", data))


def keep(name: str, messages: list[Message]) -> None:
    """Write the first half second of a call as a fixture, if that was asked for."""
    folder = os.environ.get("ASTERISK_FIXTURES")
    if folder:
        lines = [
            each if isinstance(each, str) else base64.b64encode(each).decode()
            for each in messages[:26]
        ]
        (Path(folder) / f"{name}.json").write_text(json.dumps(lines, indent=0) + "\n")


@pytest.fixture
async def relay(start_service: Callable[..., Service]) -> AsyncIterator[tuple[Relay, Service]]:
    service = start_service(auth_mode="api_key", api_keys=KEYS)
    url = f"ws://127.0.0.1:{service.port}/api/ws/call"
    async with Relay(url, {"X-API-Key": TOKEN}).running() as relay:
        yield relay, service


async def recorded(service: Service, count: int, status: str) -> list[str]:
    """Wait for ``count`` sessions; return the ids of those that have the status."""

    async def found() -> list[dict[str, object]]:
        answer = await asyncio.to_thread(
            service.get, "/api/audio/sessions", headers={"X-API-Key": ADMIN}
        )
        return list(answer.json()["sessions"])

    listed = await eventually(
        found,
        lambda listed: len(listed) == count and any(each["status"] == status for each in listed),
        awaiting=f"{count} sessions",
    )
    return [str(each["session_id"]) for each in listed if each["status"] == status]


@pytest.mark.parametrize("name", FORMATS)
async def test_a_call_of_asterisk_is_recorded_sample_by_sample(
    relay: tuple[Relay, Service], tmp_path: Path, name: str
) -> None:
    options, sample_rate = FORMATS[name]
    proxy, service = relay
    with Asterisk(UNPACKED, tmp_path / "asterisk", proxy.url) as asterisk:
        await asyncio.to_thread(asterisk.call, options)
        await eventually(lambda: proxy.calls and len(proxy.calls[0]) > 100, awaiting="2 s of audio")
        await asyncio.to_thread(asterisk.hang_up)
        (session_id,) = await recorded(service, 1, "completed")
        log = asterisk.log()
    (messages,) = proxy.calls
    assert service.pcm(session_id) == audio_of(messages, name)
    assert service.manifest(session_id)["sample_rate"] == sample_rate
    assert proxy.answers == []
    assert "WARNING" not in "".join(line for line in log.splitlines() if "chan_websocket" in line)
    keep(name, messages)


async def test_a_minute_of_calls_is_recorded_over_the_kill_of_the_service(
    relay: tuple[Relay, Service], tmp_path: Path
) -> None:
    proxy, service = relay
    with Asterisk(UNPACKED, tmp_path / "asterisk", proxy.url) as asterisk:
        await asyncio.to_thread(asterisk.call, "c(ulaw)")
        await eventually(
            lambda: proxy.calls and len(proxy.calls[0]) > 1500,
            awaiting="30 s of audio",
            timeout_seconds=60,
        )
        service.kill()  # Asterisk hangs the channel up
        await asyncio.to_thread(service.start)
        await asyncio.to_thread(asterisk.call, "c(ulaw)")
        await eventually(
            lambda: len(proxy.calls) == 2 and len(proxy.calls[1]) > 1500,
            awaiting="30 s of audio",
            timeout_seconds=60,
        )
        await asyncio.to_thread(asterisk.hang_up)
        (second,) = await recorded(service, 2, "completed")
        (first,) = await recorded(service, 2, "active")
    assert service.pcm(second) == audio_of(proxy.calls[1], "ulaw")
    sent, kept = audio_of(proxy.calls[0], "ulaw"), service.pcm(first)
    assert sent.startswith(kept)
    assert len(sent) - len(kept) < 2 * 8000 * 0.5  # a tenth of a second, and what was on the way
