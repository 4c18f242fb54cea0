"""Take the screenshots of the page for the documentation, in ``docs/pictures``.

The microphone plays speech. Check the screenshots before you commit them.
"""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from playwright.async_api import Page

from tests.audio import decode, speech, wav
from tests.service import Service
from tests.web.browser import DESKTOP, PHONE, PageBrowser, PageTab, launch_browser

FOLDER = Path(__file__).parent.parent / "docs" / "pictures"
ContextOptions = dict[str, Any]

MICROPHONE_RATE = 44100
SPEECH_RATE = 22050
CONTEXT_OPTIONS: dict[str, ContextOptions] = {
    "desktop": {"viewport": DESKTOP, "color_scheme": "light"},
    "phone": {"viewport": PHONE, "color_scheme": "dark", "device_scale_factor": 2},
}


def main() -> None:
    asyncio.run(_main())


async def _main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        microphone_pcm = decode(speech(), sample_rate=MICROPHONE_RATE)
        microphone = Path(folder) / "microphone.wav"
        microphone.write_bytes(wav(microphone_pcm * 12, sample_rate=MICROPHONE_RATE))
        for name, options in CONTEXT_OPTIONS.items():
            service = Service(Path(folder) / name).start()
            try:
                async with launch_browser(microphone) as browser:
                    await _take_screenshots(browser, service, name, options)
            finally:
                service.stop()


async def _take_screenshots(
    browser: PageBrowser, service: Service, name: str, options: ContextOptions
) -> None:
    await _record_earlier_sessions(service)
    async with browser.open_page(f"{service.url}/", **options) as tab:
        await tab.start_recording()
        await _wait_for_clock(tab, "0:08")
        await _take_screenshot(tab.page, f"record-{name}")
        service.kill()
        await tab.wait_for_state("Connection lost")
        await _wait_for_clock(tab, "0:11")
        await _take_screenshot(tab.page, f"reconnecting-{name}")
        await asyncio.to_thread(service.start)
        await tab.wait_for_state("Recording", exact=True)
        await tab.page.get_by_role("button", name="Watch").click()
        await asyncio.sleep(4)
        await _take_screenshot(tab.page, f"watch-{name}")
        await tab.stop_recording()
        await tab.page.locator(".wave canvas").first.wait_for()
        await tab.page.locator("#recordings-title").scroll_into_view_if_needed()
        await _take_screenshot(tab.page, f"list-{name}")
        await tab.page.get_by_role("button", name="Play").first.click()
        await asyncio.sleep(3)
        await _take_screenshot(tab.page, f"playback-{name}")


async def _record_earlier_sessions(service: Service) -> None:
    """Make recordings of other users, which the list shows."""
    for user in ("kim", "desk-4"):
        await service.record(speech(), sample_rate=SPEECH_RATE, user_id=user)


async def _wait_for_clock(tab: PageTab, clock: str) -> None:
    await tab.wait_until(f"document.querySelector('[data-part=clock]').textContent > '{clock}'")


async def _take_screenshot(page: Page, name: str) -> None:
    # The page fills the rows of the list only near the view.
    size = page.viewport_size
    assert size is not None
    height = await page.evaluate("document.documentElement.scrollHeight")
    await page.set_viewport_size({"width": size["width"], "height": height})
    await asyncio.sleep(0.5)
    await page.screenshot(path=FOLDER / f"{name}.png", full_page=True)
    await page.set_viewport_size(size)
    print(f"{name}.png")
