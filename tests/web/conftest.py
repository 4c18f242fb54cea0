"""Fixtures: a browser for each module, and the audio of its microphone."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.audio import pcm, wav
from tests.web.browser import PageBrowser, launch_browser

expect.set_options(timeout=30_000)  # as for other actions: a page on a busy machine is slow

SAMPLE_RATE = 44100  # of Chromium's fake microphone: with any other it resamples
_NOISE = wav(pcm(SAMPLE_RATE * 30), sample_rate=SAMPLE_RATE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of a module in one event loop, that of its browser."""
    for item in items:
        if item.path.parent == Path(__file__).parent and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="module"), append=False)


@pytest.fixture(scope="module")
def microphone_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("microphone") / "microphone.wav"
    file.write_bytes(_NOISE)
    return file


@pytest.fixture
def microphone(microphone_file: Path) -> Iterator[Path]:
    """Return the WAV file that the browser's microphone plays; the test may overwrite it."""
    yield microphone_file
    microphone_file.write_bytes(_NOISE)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium(microphone_file: Path) -> AsyncIterator[PageBrowser]:
    async with launch_browser(microphone_file) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def browser(chromium: PageBrowser) -> AsyncIterator[PageBrowser]:
    """Return the browser of the module, in which nothing is open or stored."""
    yield chromium
    await chromium.close_pages()
