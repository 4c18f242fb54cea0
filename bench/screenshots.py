"""Take the screenshots of the page for the documentation, in ``docs/pictures``.

The microphone plays speech. Check the screenshots before you commit them. Those of other states and
of a browser at 200 % are in ``docs/pictures/states``, to be looked at only.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from playwright.async_api import Page

from tests.audio import decode, speech, wav
from tests.service import Service
from tests.web.browser import DESKTOP, PHONE, PageBrowser, PageTab, launch_browser
from tests.web.test_sound import KEEP_OPENED

FOLDER = Path(__file__).parent.parent / "docs" / "pictures"
STATES_FOLDER = FOLDER / "states"
DOCUMENTED_STATES = {
    "record", "paused", "reconnecting", "watch", "list", "playback", "search", "receipt", "share",
    "unsent",
}  # fmt: skip
DOCUMENTED_SCREENS = {"desktop", "phone"}
ContextOptions = dict[str, Any]
Take = Callable[[str], Awaitable[None]]

ZOOMED = {"width": DESKTOP["width"] // 2, "height": DESKTOP["height"] // 2}
NARROW = {"width": 320, "height": 568}
MICROPHONE_RATE = 44100
SPEECH_RATE = 22050
UNDECODABLE = b"ID3\x04\x00\x00\x00\x00\x00\x00" + bytes(5000)  # named MP3, without a frame
CONTEXT_OPTIONS: dict[str, ContextOptions] = {
    "desktop": {"viewport": DESKTOP, "color_scheme": "light"},
    "phone": {"viewport": PHONE, "color_scheme": "dark"},
    # A browser at 200 % has half as many CSS pixels.
    "zoomed": {"viewport": ZOOMED, "color_scheme": "light"},
    "narrow": {"viewport": NARROW, "color_scheme": "light"},
}


def main() -> None:
    asyncio.run(_main())


async def _main() -> None:
    STATES_FOLDER.mkdir(parents=True, exist_ok=True)
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
    context = await browser.new_context(**options)
    await context.add_init_script(KEEP_OPENED)
    async with browser.open_tab(context, f"{service.url}/") as tab:
        page = tab.page

        async def take(state: str) -> None:
            is_documented = state in DOCUMENTED_STATES and name in DOCUMENTED_SCREENS
            folder = FOLDER if is_documented else STATES_FOLDER
            await _take_screenshot(page, folder / f"{state}-{name}.png")

        await tab.start_recording()
        await _wait_for_clock(tab, "0:08")
        await take("record")
        await _take_paused(tab, take)
        service.kill()
        await tab.wait_for_state("Connection lost")
        await _wait_for_clock(tab, "0:10")
        await take("reconnecting")
        await asyncio.to_thread(service.start)
        await tab.wait_for_state("Recording", exact=True)
        await page.locator("#list > li").first.scroll_into_view_if_needed()
        await page.get_by_role("button", name="Watch").click()
        await asyncio.sleep(4)
        await take("watch")
        await _take_stalled(tab, take)
        await tab.stop_recording()
        await page.locator(".wave canvas").first.wait_for()
        await page.locator("#recordings-title").scroll_into_view_if_needed()
        await take("list")
        await page.get_by_role("button", name="Play").first.click()
        await asyncio.sleep(3)
        await take("playback")
        await page.get_by_role("button", name="Pause").first.click()
        await _take_changes(page, take)
        await _take_offered(tab, take)
        await _take_unsent(tab, service, take)
    await context.close()


async def _take_paused(tab: PageTab, take: Take) -> None:
    """Mark a question, pause, take the recorder, and resume."""
    page = tab.page
    await page.get_by_label("Label of the next mark").fill("Question 2")
    await page.get_by_role("button", name="Mark", exact=True).click()
    await page.get_by_text("“Question 2” marks").wait_for()
    await page.get_by_role("button", name="Pause", exact=True).click()
    await tab.wait_for_state("Paused")
    await asyncio.sleep(3)  # the list shows it with its next poll
    await take("paused")
    await page.get_by_role("button", name="Resume").click()
    await tab.wait_for_state("Recording", exact=True)


async def _take_stalled(tab: PageTab, take: Take) -> None:
    """Take the recorder while the browser has stopped its audio."""
    await tab.page.evaluate("context.resume = async () => {}; context.suspend()")
    await tab.wait_for_state("No sound arrives")
    await take("stalled")
    await tab.page.evaluate("delete context.resume")
    await tab.wait_for_state("Recording", exact=True)


async def _take_changes(page: Page, take: Take) -> None:
    """Take what opens in the list: the search, the title, the selection, menus and dialogs."""
    await page.get_by_role("button", name="Rename").first.click()
    await take("rename")
    await page.keyboard.type("Interview with Ada")
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Interview with Ada").wait_for()
    await page.get_by_role("checkbox", name="Select").first.check()
    await page.locator("details.menu:visible summary").first.click()
    await take("menu")
    await page.get_by_role("button", name="Receipt").first.click()
    await take("receipt")
    await page.get_by_role("button", name="Close").click()
    await page.get_by_role("button", name="Share").first.click()
    await page.get_by_role("button", name="Make a link").click()
    await page.get_by_role("button", name="Copy the address").wait_for()
    await take("share")
    await page.get_by_role("button", name="Close").click()
    await page.get_by_role("button", name="Delete selected").click()
    await take("delete")
    await page.get_by_role("button", name="Cancel").click()
    await page.get_by_role("button", name="Clear the selection").click()
    await page.get_by_role("button", name="Keyboard shortcuts").click()
    await take("help")
    await page.get_by_role("button", name="Close").click()
    await page.get_by_label("Search").fill("interview")
    await page.get_by_text("1 found").wait_for()
    await take("search")
    await page.get_by_label("Search").fill("nothing has this name")
    await page.get_by_text("No recording matches").wait_for()
    await take("none-found")
    await page.get_by_role("button", name="Clear the search").click()


async def _take_offered(tab: PageTab, take: Take) -> None:
    """Take a recording that can be resumed after a reload, and finish it."""
    page = tab.page
    page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
    await tab.start_recording()
    await _wait_for_clock(tab, "0:02")
    await page.keyboard.press("p")
    await page.locator("#list > li").first.scroll_into_view_if_needed()
    await page.locator("#list .badge", has_text="Paused").wait_for()
    await page.reload()
    await page.get_by_text("this page was closed or reloaded").wait_for()
    await take("offered")
    await page.locator("#outgoing").get_by_role("button", name="Finish").click()
    await page.get_by_text("was finished").wait_for()
    await page.get_by_role("button", name="Dismiss").click()


async def _take_unsent(tab: PageTab, service: Service, take: Take) -> None:
    """Take a recording that was stopped without a connection, and how it is discarded."""
    page = tab.page
    await tab.start_recording()
    await _wait_for_clock(tab, "0:02")
    service.kill()
    await tab.wait_for_state("Connection lost")
    await page.get_by_role("button", name="Stop recording").click()
    await page.get_by_text("Waiting for the connection").wait_for()
    await take("unsent")
    await page.get_by_role("button", name="Discard").click()
    await take("discard")
    await page.get_by_role("button", name="Cancel").click()


async def _record_earlier_sessions(service: Service) -> None:
    """Make recordings of other users, which the list shows; one has a title, one a warning."""
    await service.record(speech(), sample_rate=SPEECH_RATE, user_id="kim", title="Weekly%20meeting")
    await service.record(speech(), sample_rate=SPEECH_RATE, user_id="desk-4")
    async with service.session(sample_rate=SPEECH_RATE, user_id="kim") as client:
        await client.send(speech())
        await client.send(UNDECODABLE)
        await client.control("close_session")


async def _wait_for_clock(tab: PageTab, clock: str) -> None:
    await tab.wait_until(f"document.querySelector('[data-part=clock]').textContent > '{clock}'")


async def _take_screenshot(page: Page, file: Path) -> None:
    print(file.name)
    if await page.locator("dialog[open]").count():
        await page.screenshot(path=file)  # as large as it is seen, to show what is cut
        return
    # The page fills the rows of the list only near the view.
    size = page.viewport_size
    assert size is not None
    height = await page.evaluate("document.documentElement.scrollHeight")
    await page.set_viewport_size({"width": size["width"], "height": height})
    await asyncio.sleep(0.5)
    await page.screenshot(path=file, full_page=True)
    await page.set_viewport_size(size)
