"""Record six sessions while the service is killed repeatedly, in rounds for a given time.

Each round has a folder and a seed of its own, kills the service eight times, and compares every
recording with one ffmpeg decode of the whole input. The first inexact recording ends the run; its
seed repeats the round (``make soak SEED=...``), and its folder is kept.
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
    """Run rounds of random seeds for ``seconds``, or only the round of ``seed``."""
    deadline, rounds = time.monotonic() + seconds, 0
    while rounds == 0 or (seed is None and time.monotonic() < deadline):
        rounds += 1
        _round(random.SystemRandom().randrange(2**32) if seed is None else seed)
    print(f"{rounds} rounds, {rounds * _KILLS} kills: all recordings exact, no files left over")


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
            f"FAILED with seed {seed}, see {folder}; to repeat: make soak SEED={seed}"
        ) from error
    finally:
        if service.is_running:
            service.kill()
    shutil.rmtree(folder)
    seconds = time.monotonic() - began
    print(f"exact after {_KILLS} kills, {connections} connections, {seconds:.1f} s", flush=True)


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
