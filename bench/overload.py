"""Delays of twenty live sessions, alone and together with clients that overload the service.

Every session sends 20 ms of PCM each 20 ms, answered or not, as live audio does. A phase without
load comes before each phase with a bad client, so that both are measured within the same minute.
"""

import asyncio
import collections
import contextlib
import itertools
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil
import uvloop

from api.settings import Settings
from bench.load_client import LoadClient, binary_frame, text_frame
from bench.server_process import run_service
from storage.wav import HEADER_BYTES
from tests.audio import pcm
from tests.bad_clients import BAD_CLIENTS

_SESSIONS = 20
_SECONDS = 60
_SAMPLE_RATE = 48000
_CHUNK_SECONDS = 0.02
_SETTLE_SECONDS = 1.0  # between two phases
_DEFAULTS = Settings()
_ALONE = "alone"
_MAX_P99_RATIO = 2.0  # times the p99 of sessions that are alone
_CLOSE_FRAME = text_frame('{"type": "control", "action": "close_session"}')


class LiveSession:
    """One session. ``delays`` has the seconds until each acknowledgement, by phase."""

    def __init__(self, number: int) -> None:
        self.delays: dict[str, list[float]] = {}
        self.session_id = ""
        self.chunks = 0
        self.data = pcm(int(_SAMPLE_RATE * _CHUNK_SECONDS), seed=number)
        self._first_due_seconds = number * _CHUNK_SECONDS / _SESSIONS

    async def stream(self, port: int, phases: "LoadPhases") -> None:
        client = await LoadClient.connect(port, f"/api/ws/audio?sample_rate={_SAMPLE_RATE}")
        self.session_id = json.loads(await client.receive())["session_id"]
        sent: collections.deque[tuple[float, str | None]] = collections.deque()
        receive_task = asyncio.create_task(self._receive_acks(client, sent))
        frame = binary_frame(self.data)
        began = time.perf_counter() + self._first_due_seconds
        while not phases.is_finished:
            due = began + self.chunks * _CHUNK_SECONDS
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            sent.append((time.perf_counter(), phases.phase))
            client.send(frame)
            self.chunks += 1
        client.send(_CLOSE_FRAME)
        await receive_task
        client.close()

    async def _receive_acks(
        self, client: LoadClient, sent: collections.deque[tuple[float, str | None]]
    ) -> None:
        while b'"type":"chunk"' in (answer := await client.receive()):
            at, phase = sent.popleft()
            if phase is not None:
                self.delays.setdefault(phase, []).append(time.perf_counter() - at)
        assert b'"action":"close_session"' in answer, answer
        assert not sent, f"{len(sent)} chunks without an answer"


class LoadPhases:
    """Run the load phases one after another; ``phase`` is None while nothing is measured."""

    def __init__(self) -> None:
        self.phase: str | None = None
        self.is_finished = False

    async def run(self, port: int, seconds: float) -> None:
        """Measure each bad client, and the sessions alone before it."""
        phase_seconds = seconds / (2 * len(BAD_CLIENTS)) - _SETTLE_SECONDS
        for client_type in BAD_CLIENTS:
            await asyncio.sleep(_SETTLE_SECONDS)
            await self._measure(_ALONE, phase_seconds)
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.bad_clients", client_type.__name__, str(port)
            )
            # It simulates another machine, so it may use only idle CPU.
            psutil.Process(process.pid).nice(19)
            try:
                await asyncio.sleep(_SETTLE_SECONDS)
                await self._measure(client_type.__name__, phase_seconds)
                assert process.returncode is None, f"{client_type.__name__} ended early"
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        self.is_finished = True

    async def _measure(self, phase: str, seconds: float) -> None:
        self.phase = phase
        await asyncio.sleep(seconds)
        self.phase = None


def main(seconds: int = _SECONDS) -> None:
    uvloop.run(_main(seconds))


async def _main(seconds: int) -> None:
    live_sessions, phases = [LiveSession(number) for number in range(_SESSIONS)], LoadPhases()
    with tempfile.TemporaryDirectory(dir=".") as folder:
        # The sessions that ReconnectLoop leaves must end, or the session limit refuses new ones.
        # All clients have one address, to which the default rate limits apply.
        environ = {
            "AUDIO_STORAGE_PATH": folder,
            "SESSION_IDLE_TIMEOUT_SECONDS": "1",
            "MAX_HANDSHAKES_PER_MINUTE": str(_DEFAULTS.max_handshakes_per_minute),
            "MAX_NEW_SESSIONS_PER_MINUTE": str(_DEFAULTS.max_new_sessions_per_minute),
        }
        with run_service(environ) as (
            port,
            process,
        ):
            peak = asyncio.create_task(_peak_mib(process, phases))
            async with asyncio.TaskGroup() as group:
                for live_session in live_sessions:
                    group.create_task(live_session.stream(port, phases))
                group.create_task(phases.run(port, seconds))
            peak_mib = await peak
        wrong = [
            live_session.session_id
            for live_session in live_sessions
            if (Path(folder) / f"{live_session.session_id}.wav").read_bytes()[HEADER_BYTES:]
            != live_session.data * live_session.chunks
        ]
    print(f"{_SESSIONS} live sessions of PCM, a chunk each {_CHUNK_SECONDS * 1e3:.0f} ms")
    _print(live_sessions)
    print(f"peak memory of the service: {peak_mib:.0f} MiB")
    print(f"exact: {_SESSIONS - len(wrong)} of {_SESSIONS} recordings")
    if wrong:
        raise SystemExit(f"not exact: {', '.join(wrong)}")


def _print(live_sessions: list[LiveSession]) -> None:
    print(f"{'load':15}{'chunks':>8}{'p50 ms':>8}{'p99 ms':>8}{'max ms':>8}{'p99 ratio':>11}")
    alone_p99 = 0.0
    for phase in (_ALONE, *(client_type.__name__ for client_type in BAD_CLIENTS)):
        delays = list(itertools.chain.from_iterable(s.delays[phase] for s in live_sessions))
        p99 = statistics.quantiles(delays, n=100)[98]
        alone_p99 = alone_p99 or p99
        verdict = "" if p99 <= _MAX_P99_RATIO * alone_p99 else f"  NO: more than {_MAX_P99_RATIO:g}"
        print(
            f"{phase:15}{len(delays):8}{statistics.median(delays) * 1e3:8.2f}{p99 * 1e3:8.2f}"
            f"{max(delays) * 1e3:8.1f}{p99 / alone_p99:11.2f}{verdict}"
        )


async def _peak_mib(process: psutil.Process, phases: LoadPhases) -> float:
    peak_bytes = 0
    while not phases.is_finished:
        peak_bytes = max(peak_bytes, process.memory_info().rss)
        await asyncio.sleep(0.1)
    return peak_bytes / 2**20
