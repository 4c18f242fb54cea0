"""Fixtures: sessions on a real volume, driven with bytes instead of a socket."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from api.audio.ffmpeg.launcher import DecoderLauncher
from api.session.core import SessionLimits
from api.session.parameters import AudioParameters
from api.session.registry import Registry
from api.session.session import Session
from api.wire.messages import SessionInfo
from storage.base import Storage
from storage.local import LocalStorage
from storage.retry import Backoff
from tests.conftest import ManualClock

PARAMETERS = AudioParameters(sample_rate=22050, channels=1, format="wav")


class ConnectionProbe:
    """A connection as a session sees it; it records how it was ended."""

    def __init__(self) -> None:
        self.last_received = 0.0
        self.ended: Exception | None = None
        self.final: SessionInfo | None = None

    async def end(self, error: Exception) -> None:
        self.ended = error

    async def end_completed(self, info: SessionInfo) -> None:
        self.final = info

    async def hand_over(self) -> None:
        pass

    async def is_alive(self) -> bool:
        return True

    async def wait_received(self) -> None:
        """Return at once: nothing is in flight."""


@pytest.fixture
def hanging_ffmpeg() -> Iterator[str]:
    """Return the path of a program that starts like ffmpeg, then neither reads nor writes."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # the sandbox runs it as another user
        program = Path(folder) / "ffmpeg"
        program.write_text("#!/bin/sh\nexec /bin/sleep 1000\n")
        program.chmod(0o755)
        yield str(program)


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[LocalStorage]:
    storage = LocalStorage(tmp_path, sync_interval_seconds=3600)
    await storage.start()
    yield storage
    await storage.stop()


LIMITS = SessionLimits(max_connections=3)


def new_registry(
    storage: Storage,
    clock: ManualClock,
    *,
    max_sessions: int = 10,
    limits: SessionLimits = LIMITS,
    launcher: DecoderLauncher | None = None,
    **more: Any,
) -> Registry:
    return Registry(
        storage,
        clock,
        max_sessions=max_sessions,
        limits=limits,
        launcher=launcher or DecoderLauncher(),
        **more,
        backoff=Backoff(first_seconds=0.001, max_seconds=0.001, retries=4),
    )


@pytest.fixture
async def registry(storage: LocalStorage, clock: ManualClock) -> AsyncIterator[Registry]:
    registry = new_registry(storage, clock)
    yield registry
    await registry.shutdown()


@pytest.fixture
async def session(registry: Registry) -> Session:
    return await registry.create(PARAMETERS, None)


@pytest.fixture
async def connection(session: Session) -> ConnectionProbe:
    """A connection attached to ``session``."""
    connection = ConnectionProbe()
    await session.attach(connection)
    return connection
