"""A person with a browser, and what the microphone hears."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.audio import pcm, wav
from tests.web.browser import Visitor, visitor

SAMPLE_RATE = 44100  # of Chromium's fake microphone: with any other it resamples


@pytest.fixture
def microphone(tmp_path: Path) -> Path:
    """A WAV file that the browser's microphone hears; tests may write another one."""
    file = tmp_path / "microphone.wav"
    file.write_bytes(wav(pcm(SAMPLE_RATE * 30), sample_rate=SAMPLE_RATE))
    return file


@pytest.fixture
async def person(microphone: Path) -> AsyncIterator[Visitor]:
    async with visitor(microphone) as person:
        yield person
