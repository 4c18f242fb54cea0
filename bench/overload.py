"""Twenty live sessions, alone and beside clients that ask too much: who waits for whom?

Every session sends 20 ms of PCM each 20 ms, answered or not, as live audio does. Before
each bad client's turn the sessions are alone, so that both are measured within the same
minute.
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
from bench.servers import server
from bench.websocket_load import LoadClient, binary_frame, text_frame
from storage.wav import HEADER_BYTES
from tests.audio import pcm
from tests.bad_clients import BAD_CLIENTS

_SESSIONS = 20
_SECONDS = 60
_SAMPLE_RATE = 48000
_CHUNK_SECONDS = 0.02
_SETTLE_SECONDS = 1.0  # after a bad client is gone, before anything counts
_DEFAULTS = Settings()
_ALONE = "alone"
_ALLOWED = 2.0  # times the p99 of sessions that are alone
_CLOSE = text_frame('{"type": "control", "action": "close_session"}')


class Speaker:
    """One session. ``delays`` has the seconds until each answer, by what went on beside."""

    def __init__(self, number: int) -> None:
        self.delays: dict[str, list[float]] = {}
        self.session_id = ""
        self.chunks = 0
        self.data = pcm(int(_SAMPLE_RATE * _CHUNK_SECONDS), seed=number)
        self._first_due_seconds = number * _CHUNK_SECONDS / _SESSIONS

    async def speak(self, port: int, stage: "Stage") -> None:
        client = await LoadClient.connect(port, f"/api/ws/audio?sample_rate={_SAMPLE_RATE}")
        self.session_id = json.loads(await client.receive())["session_id"]
        sent: collections.deque[tuple[float, str | None]] = collections.deque()
        listening = asyncio.create_task(self._listen(client, sent))
        frame = binary_frame(self.data)
        began = time.perf_counter() + self._first_due_seconds
        while not stage.is_over:
            due = began + self.chunks * _CHUNK_SECONDS
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            sent.append((time.perf_counter(), stage.phase))
            client.send(frame)
            self.chunks += 1
        client.send(_CLOSE)
        await listening
        client.close()

    async def _listen(
        self, client: LoadClient, sent: collections.deque[tuple[float, str | None]]
    ) -> None:
        while b'"type":"chunk"' in (answer := await client.receive()):
            at, phase = sent.popleft()
            if phase is not None:
                self.delays.setdefault(phase, []).append(time.perf_counter() - at)
        assert b'"action":"close_session"' in answer, answer
        assert not sent, f"{len(sent)} chunks without an answer"


class Stage:
    """What goes on; ``phase`` is None while nothing is measured."""

    def __init__(self) -> None:
        self.phase: str | None = None
        self.is_over = False

    async def play(self, port: int, seconds: float) -> None:
        """Each bad client has its turn, and before each the sessions are alone."""
        turn_seconds = seconds / (2 * len(BAD_CLIENTS)) - _SETTLE_SECONDS
        for bad in BAD_CLIENTS:
            await asyncio.sleep(_SETTLE_SECONDS)
            await self._measure(_ALONE, turn_seconds)
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.bad_clients", bad.__name__, str(port)
            )
            # It stands for another machine: it may have the CPU that nobody else needs.
            psutil.Process(process.pid).nice(19)
            try:
                await asyncio.sleep(_SETTLE_SECONDS)
                await self._measure(bad.__name__, turn_seconds)
                assert process.returncode is None, f"{bad.__name__} ended early"
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        self.is_over = True

    async def _measure(self, phase: str, seconds: float) -> None:
        self.phase = phase
        await asyncio.sleep(seconds)
        self.phase = None


def main(seconds: int = _SECONDS) -> None:
    uvloop.run(_main(seconds))


async def _main(seconds: int) -> None:
    speakers, stage = [Speaker(number) for number in range(_SESSIONS)], Stage()
    with tempfile.TemporaryDirectory(dir=".") as folder:
        # What ComesAndGoes leaves must go, or it is refused before it begins. It and the speakers
        # call from one address, of which the service bears as much as it does by default.
        environ = {
            "AUDIO_STORAGE_PATH": folder,
            "SESSION_IDLE_TIMEOUT_SECONDS": "1",
            "MAX_HANDSHAKES_PER_MINUTE": str(_DEFAULTS.max_handshakes_per_minute),
            "MAX_NEW_SESSIONS_PER_MINUTE": str(_DEFAULTS.max_new_sessions_per_minute),
        }
        with server("-m", "api.cli", "serve", "--port", "0", environ=environ) as (port, process):
            peak = asyncio.create_task(_peak_mib(process, stage))
            async with asyncio.TaskGroup() as group:
                for speaker in speakers:
                    group.create_task(speaker.speak(port, stage))
                group.create_task(stage.play(port, seconds))
            peak_mib = await peak
        wrong = [
            speaker.session_id
            for speaker in speakers
            if (Path(folder) / f"{speaker.session_id}.wav").read_bytes()[HEADER_BYTES:]
            != speaker.data * speaker.chunks
        ]
    print(f"{_SESSIONS} live sessions of PCM, a chunk each {_CHUNK_SECONDS * 1e3:.0f} ms")
    _print(speakers)
    print(f"most memory of the service: {peak_mib:.0f} MiB")
    print(f"exact: {_SESSIONS - len(wrong)} of {_SESSIONS} recordings")
    if wrong:
        raise SystemExit(f"not exact: {', '.join(wrong)}")


def _print(speakers: list[Speaker]) -> None:
    print(f"{'beside':15}{'chunks':>8}{'p50 ms':>8}{'p99 ms':>8}{'max ms':>8}{'p99 ratio':>11}")
    normal = 0.0
    for phase in (_ALONE, *(bad.__name__ for bad in BAD_CLIENTS)):
        delays = list(itertools.chain.from_iterable(s.delays[phase] for s in speakers))
        p99 = statistics.quantiles(delays, n=100)[98]
        normal = normal or p99
        verdict = "" if p99 <= _ALLOWED * normal else f"  NO: more than {_ALLOWED:g}"
        print(
            f"{phase:15}{len(delays):8}{statistics.median(delays) * 1e3:8.2f}{p99 * 1e3:8.2f}"
            f"{max(delays) * 1e3:8.1f}{p99 / normal:11.2f}{verdict}"
        )


async def _peak_mib(process: psutil.Process, stage: Stage) -> float:
    peak_bytes = 0
    while not stage.is_over:
        peak_bytes = max(peak_bytes, process.memory_info().rss)
        await asyncio.sleep(0.1)
    return peak_bytes / 2**20
