"""Six sessions through a service that is killed over and over, for as long as asked.

Every round begins with a folder and a seed of its own, kills the service eight times, and
compares every recording with ffmpeg's decode of the whole. The first that is not exact
ends the run: its seed repeats the round (``make soak SEED=...``), its folder is kept.
"""

import asyncio
import random
import shutil
import tempfile
import time
import traceback
from pathlib import Path

import psutil

from tests.crashes import CrashInjector, assert_recorded, read_files, record_through_crashes
from tests.service import Service

_SECONDS = 60
_KILLS = 8
_SHOWN_LOG_LINES = 40


def main(seconds: int = _SECONDS, seed: int | None = None) -> None:
    """Rounds of random seeds for ``seconds``, or the one round of ``seed``."""
    deadline, rounds = time.monotonic() + seconds, 0
    while rounds == 0 or (seed is None and time.monotonic() < deadline):
        rounds += 1
        _round(random.SystemRandom().randrange(2**32) if seed is None else seed)
    print(f"{rounds} rounds, {rounds * _KILLS} deaths: all exact, nothing left over")


def _round(seed: int) -> None:
    print(f"seed {seed}: ", end="", flush=True)
    folder, began = Path(tempfile.mkdtemp(prefix="crashes-")), time.monotonic()
    service = Service(folder / "recordings").start()
    try:
        connections = asyncio.run(_record(service, seed))
    except Exception as error:
        traceback.print_exc()
        print("".join(service.log[-_SHOWN_LOG_LINES:]))
        raise SystemExit(
            f"FAILED with seed {seed}, see {folder}; again: make soak SEED={seed}"
        ) from error
    finally:
        if service.is_running:
            service.kill()
    shutil.rmtree(folder)
    seconds = time.monotonic() - began
    print(f"exact after {_KILLS} deaths, {connections} connections, {seconds:.1f} s", flush=True)


async def _record(service: Service, seed: int) -> int:
    injector = CrashInjector()
    recorders = await record_through_crashes([service], injector.crash, seed=seed, kills=_KILLS)
    assert_recorded(recorders, await asyncio.to_thread(read_files, service.folder))
    survivors = [
        *await injector.surviving_children(),
        *psutil.Process(service.pid).children(),
    ]
    assert survivors == [], survivors
    return sum(recorder.connections for recorder in recorders)
