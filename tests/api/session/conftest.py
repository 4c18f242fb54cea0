"""Fixtures: a recording on a real volume, and what writes it."""

from collections.abc import AsyncIterator

import pytest

from storage.local import LocalStorage
from storage.volume.recording import VolumeRecording
from tests.api.session.writers import Events, Writers, new_writers
from tests.storage.conftest import new_manifest


@pytest.fixture
async def recording(storage: LocalStorage) -> AsyncIterator[VolumeRecording]:
    recording = await storage.create(new_manifest())
    yield recording
    recording.abandon()


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def writers(recording: VolumeRecording, events: Events) -> Writers:
    return new_writers(recording, events)
