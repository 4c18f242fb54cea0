"""200 telephone calls at once: how long audio waits to be persisted, and what a call costs.

Each call sends 20 ms of µ-law for both sides, at the pace of the call: as Twilio two JSON messages,
as Genesys one binary one.
"""

import asyncio
import base64
import json
import sys
import tempfile
import time
import urllib.request

from bench.load_client import LoadClient, binary_frame, text_frame
from bench.server_process import cpu_nanoseconds, run_service
from tests.eventually import eventually
from tests.platforms import audiohook, twilio

_CALLS = 200
_SECONDS = 20
_TICK_SECONDS = 0.02

_PAYLOAD = base64.b64encode(bytes(range(160))).decode()


def twilio_frames(ticks: int) -> list[bytes]:
    """Return what one call sends in each tick."""

    def media(track: str, number: int) -> bytes:
        about = {"track": track, "chunk": str(number + 1), "timestamp": str(20 * number)}
        about["payload"] = _PAYLOAD
        return text_frame(json.dumps({"event": "media", "media": about, "streamSid": "MZ"}))

    return [media("inbound", at) + media("outbound", at) for at in range(ticks)]


def genesys_frames(ticks: int) -> list[bytes]:
    return [binary_frame(bytes(320))] * ticks


def first_frame(dialect: str, number: int) -> bytes:
    if dialect == "twilio":
        return text_frame(twilio.start("inbound", "outbound", call_id=f"CA{number:032x}"))
    return text_frame(audiohook.Client().open(conversation_id=f"call-{number}"))


def recorded_seconds(port: int) -> float:
    """Return the audio of all sessions."""
    url = f"http://127.0.0.1:{port}/api/audio/sessions?limit=1000"
    with urllib.request.urlopen(url, timeout=30) as answer:
        return sum(float(each["duration_seconds"]) for each in json.load(answer)["sessions"])


async def send(calls: list[LoadClient], frames: list[bytes], began: float) -> None:
    """Send one of the frames of each call in every tick."""
    for tick, frame in enumerate(frames):
        for number, call in enumerate(calls):
            call.send(frame)
            if number % 50 == 49:
                await asyncio.sleep(0)
        await asyncio.sleep(max(0.0, began + (tick + 1) * _TICK_SECONDS - time.monotonic()))


async def measure(port: int, pid: int, dialect: str) -> tuple[float, float, float]:
    """Return the lag at p50 and p99 in seconds, and the CPU of a second of a call in ms."""
    ticks = int(_SECONDS / _TICK_SECONDS)
    frames = twilio_frames(ticks) if dialect == "twilio" else genesys_frames(ticks)
    path = f"/api/ws/call/{'twilio' if dialect == 'twilio' else 'audiohook'}"
    calls = [await LoadClient.connect(port, path) for _ in range(_CALLS)]
    for number, call in enumerate(calls):
        call.send(first_frame(dialect, number))
        if dialect == "genesys":
            await call.receive()
    lags: list[float] = []

    def lag() -> float:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as answer:
            return float(json.load(answer)["unpersisted_seconds"])

    async def sample() -> None:
        while True:
            lags.append(await asyncio.to_thread(lag))
            await asyncio.sleep(0.1)

    sampling = asyncio.create_task(sample())
    began, cpu = time.monotonic(), cpu_nanoseconds(pid)
    await send(calls, frames, began)
    await eventually(
        lambda: asyncio.to_thread(recorded_seconds, port),
        lambda seconds: seconds >= _CALLS * (_SECONDS - 1),
        awaiting="all audio",
        timeout_seconds=120,
    )
    cpu_seconds = (cpu_nanoseconds(pid) - cpu) / 1e9
    sampling.cancel()
    for call in calls:
        call.close()
    lags.sort()
    p99 = lags[min(len(lags) - 1, int(len(lags) * 0.99))]
    return lags[len(lags) // 2], p99, 1000 * cpu_seconds / _SECONDS / _CALLS


def main() -> None:
    for dialect in ("twilio", "genesys"):
        with tempfile.TemporaryDirectory() as folder:
            environ = {"AUDIO_STORAGE_PATH": folder, "MAX_CONCURRENT_SESSIONS": "300"}
            with run_service(environ) as (port, process):
                p50, p99, cost_ms = asyncio.run(measure(port, process.pid, dialect))
        print(
            f"{dialect}: {_CALLS} calls of {_SECONDS} s: persisted after {p50:.2f} s (p50), "
            f"{p99:.2f} s (p99); a second of a call takes {cost_ms:.2f} ms of CPU",
            file=sys.stdout,
        )
