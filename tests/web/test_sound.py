"""The page says "Recording" only while sound arrives, and otherwise what to do."""

from collections.abc import Callable

import pytest
from playwright.async_api import expect

from tests.service import Service
from tests.web.browser import PageBrowser, PageTab

# Lets a test reach what the page has opened.
KEEP_OPENED = """
    const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (what) => (window.heard = await ask(what));
    const Context = window.AudioContext;
    window.AudioContext = class extends Context {
        constructor(...given) { super(...given); window.context = this; }
    };
"""


@pytest.fixture
def service(start_service: Callable[..., Service]) -> Service:
    return start_service(sync_interval_seconds=0.2)


def sessions(service: Service) -> list[dict[str, object]]:
    found: list[dict[str, object]] = service.get("/api/audio/sessions").json()["sessions"]
    return found


async def assert_nothing_is_left(tab: PageTab) -> None:
    """Check that the browser has kept nothing of a recording that never began."""
    await tab.page.reload()
    await tab.page.get_by_text("No recordings yet").wait_for()
    await tab.wait_until(
        "indexedDB.databases().then(async (all) => all.length === 0 || (await new Promise((done) =>"
        " { indexedDB.open('sercuescribe').onsuccess = ({ target: { result } }) => result"
        ".transaction('sessions').objectStore('sessions').count().onsuccess ="
        " ({ target }) => done(target.result); })) === 0)"
    )
    await expect(tab.page.locator("#outgoing")).to_be_hidden()


async def test_a_muted_or_suspended_microphone_is_not_called_a_recording(
    browser: PageBrowser, service: Service
) -> None:
    context = await browser.new_context()
    await context.add_init_script(KEEP_OPENED)
    async with browser.open_tab(context, f"{service.url}/") as tab:
        page = tab.page
        problem = page.locator("#recorder [data-part=problem]")
        await tab.start_recording()
        await expect(problem).to_be_hidden()
        await page.evaluate(
            "Object.defineProperty(heard.getTracks()[0], 'muted',"
            " { get: () => true, configurable: true })"
        )
        await tab.wait_for_state("No sound arrives")
        await expect(problem).to_contain_text("The microphone is muted. Unmute it")
        await page.evaluate("delete heard.getTracks()[0].muted")
        await tab.wait_for_state("Recording")
        await page.evaluate("context.resume = async () => {}; context.suspend()")
        await tab.wait_for_state("No sound arrives")
        await expect(problem).to_contain_text("The browser has stopped its audio")
        await page.evaluate("delete context.resume")
        await tab.wait_for_state("Recording")  # the page has started the audio again
        await expect(problem).to_be_hidden()
        await tab.stop_recording()
    await context.close()
    (session,) = sessions(service)
    assert service.pcm(str(session["session_id"])) == b"".join(tab.delivered_chunks)


async def test_audio_that_does_not_start_is_reported_and_can_be_recorded_compressed(
    browser: PageBrowser, service: Service
) -> None:
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        # As in Firefox without an audio output.
        await page.evaluate("void (AudioContext.prototype.resume = () => new Promise(() => {}))")
        await page.get_by_role("button", name="Start recording").click()
        await page.get_by_text("The browser does not start its audio.").wait_for()
        await tab.wait_for_state("Stopped")
        assert sessions(service) == []
        await page.get_by_role("button", name="Record compressed").click()
        await tab.wait_for_state("Recording")
        await tab.stop_recording()
        (session,) = sessions(service)
        assert session["duration_seconds"] != 0
        service.delete(f"/api/audio/sessions/{session['session_id']}")
        await assert_nothing_is_left(tab)


async def test_a_microphone_without_any_sound_leaves_no_session(
    browser: PageBrowser, service: Service
) -> None:
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        await page.get_by_label("Quality").select_option("Compressed")
        await page.evaluate("""() => {
            const { prototype } = MediaRecorder;
            Object.defineProperty(prototype, 'state', { value: 'recording' });
            prototype.start = () => {};
            prototype.stop = function () { this.onstop(); };
        }""")
        await page.get_by_role("button", name="Start recording").click()
        await tab.wait_for_state("No sound arrives")
        await page.get_by_text("Check that the microphone is connected.").wait_for()
        await page.get_by_role("button", name="Stop recording").click()
        await page.get_by_text("nothing was recorded").wait_for()
        await tab.wait_for_state("Stopped")
        await assert_nothing_is_left(tab)
    assert sessions(service) == []


async def test_the_microphone_is_checked_without_a_recording(
    browser: PageBrowser, service: Service
) -> None:
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        await page.get_by_role("button", name="Check microphone").click()
        await tab.wait_for_state("Speak to check")
        await tab.wait_until(
            "document.querySelector('[role=meter]').getAttribute('aria-valuenow') > -20"
        )
        await page.get_by_role("button", name="End the check").click()
        await tab.wait_for_state("too loud")  # noise of full scale
        meter = page.get_by_role("meter")
        await expect(meter).to_have_attribute("aria-valuetext", "silence")
    assert sessions(service) == []
