"""Takes the pictures of the page that the documents show: ``docs/pictures``.

The microphone hears real speech. Look at them before they are committed.
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
Look = dict[str, Any]

MICROPHONE_RATE = 44100
SPEECH_RATE = 22050
LOOKS: dict[str, Look] = {
    "desktop": {"viewport": DESKTOP, "color_scheme": "light"},
    "phone": {"viewport": PHONE, "color_scheme": "dark", "device_scale_factor": 2},
}


def main() -> None:
    asyncio.run(_main())


async def _main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        said = decode(speech(), sample_rate=MICROPHONE_RATE)
        microphone = Path(folder) / "microphone.wav"
        microphone.write_bytes(wav(said * 12, sample_rate=MICROPHONE_RATE))
        for name, look in LOOKS.items():
            service = Service(Path(folder) / name).start()
            try:
                async with launch_browser(microphone) as browser:
                    await _take(browser, service, name, look)
            finally:
                service.stop()


async def _take(browser: PageBrowser, service: Service, name: str, look: Look) -> None:
    await _earlier(service)
    async with browser.open_page(f"{service.url}/", **look) as tab:
        await tab.start_recording()
        await _recorded(tab, "0:08")
        await _picture(tab.page, f"record-{name}")
        service.kill()
        await tab.wait_for_state("Connection lost")
        await _recorded(tab, "0:11")
        await _picture(tab.page, f"reconnecting-{name}")
        await asyncio.to_thread(service.start)
        await tab.wait_for_state("Recording")
        await tab.page.get_by_role("button", name="Watch").click()
        await asyncio.sleep(4)
        await _picture(tab.page, f"watch-{name}")
        await tab.stop_recording()
        await tab.page.locator(".wave canvas").first.wait_for()
        await tab.page.locator("#recordings-title").scroll_into_view_if_needed()
        await _picture(tab.page, f"list-{name}")
        await tab.page.get_by_role("button", name="Play").first.click()
        await asyncio.sleep(3)
        await _picture(tab.page, f"playback-{name}")


async def _earlier(service: Service) -> None:
    """Recordings that other clients made."""
    for user in ("kim", "desk-4"):
        await service.record(speech(), sample_rate=SPEECH_RATE, user_id=user)


async def _recorded(tab: PageTab, clock: str) -> None:
    await tab.wait_until(f"document.querySelector('[data-part=clock]').textContent > '{clock}'")


async def _picture(page: Page, name: str) -> None:
    # Waveforms are drawn once they are looked at.
    await page.evaluate("scrollTo(0, document.body.scrollHeight)")
    await asyncio.sleep(0.5)
    await page.evaluate("scrollTo(0, 0)")
    await page.screenshot(path=FOLDER / f"{name}.png", full_page=True)
    print(f"{name}.png")
