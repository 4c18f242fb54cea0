"""Fixtures: a browser and the audio of its microphone."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.audio import pcm, wav
from tests.web.browser import PageBrowser, launch_browser

expect.set_options(timeout=30_000)  # as for other actions: a page on a busy machine is slow

SAMPLE_RATE = 44100  # of Chromium's fake microphone: with any other it resamples


@pytest.fixture
def microphone(tmp_path: Path) -> Path:
    """Return the WAV file that the browser's microphone plays; tests may overwrite it."""
    file = tmp_path / "microphone.wav"
    file.write_bytes(wav(pcm(SAMPLE_RATE * 30), sample_rate=SAMPLE_RATE))
    return file


@pytest.fixture
async def browser(microphone: Path) -> AsyncIterator[PageBrowser]:
    async with launch_browser(microphone) as browser:
        yield browser
