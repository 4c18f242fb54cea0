"""Pausing and marking a recording on the page."""

import asyncio
import re
from collections.abc import Callable

import pytest
from playwright.async_api import expect

from tests.proxy import cutting_proxy
from tests.service import Service
from tests.web.browser import PageBrowser, PageTab
from tests.web.test_recording import only_session, wait_for_chunks

PEAK = "Number(document.querySelector('[role=meter]').getAttribute('aria-valuenow'))"


@pytest.fixture
def service(start_service: Callable[..., Service]) -> Service:
    return start_service(sync_interval_seconds=0.2)


@pytest.mark.parametrize(
    "quality", ["Lossless", pytest.param("Compressed", marks=pytest.mark.long)]
)
async def test_nothing_is_recorded_while_the_page_is_paused_also_over_an_outage(
    browser: PageBrowser, service: Service, quality: str
) -> None:
    """The state, the clock and the meter say so, and the service knows it."""
    async with cutting_proxy(service) as proxy, browser.open_page(f"{proxy.url}/") as tab:
        page = tab.page
        clock = page.locator("#recorder [data-part=clock]")
        await page.get_by_label("Quality").select_option(quality)
        await tab.start_recording()
        await wait_for_chunks(tab, 3)
        with proxy.outage():
            await tab.wait_for_state("Connection lost")
            await page.keyboard.press("p")
            await tab.wait_for_state("Paused")
            stopped = await clock.inner_text()
            await tab.wait_until(f"{PEAK} === -60")
        await expect(page.locator("#list .badge")).to_have_text("Paused")
        (session,) = service.get("/api/audio/sessions").json()["sessions"]
        assert session["paused"]
        await tab.wait_for_state("Paused")
        await expect(clock).to_have_text(stopped)
        await page.get_by_role("button", name="Resume").click()
        await tab.wait_for_state("Recording", exact=True)
        await tab.wait_until(f"{PEAK} > -20")
        await tab.stop_recording()
        # Verified if no piece of audio was on its way when the pause began, which is not said here.
        await expect(page.locator("#recorder [data-part=state]")).to_have_text(
            re.compile(r"^Saved( and verified: all that was sent has arrived\.)?$")
        )
    timeline = service.get(f"/api/audio/sessions/{only_session(service)}/timeline").json()
    (pause,) = timeline["pauses"]
    assert pause["ended_at"] is not None


async def test_the_recorder_shows_that_another_client_has_paused_or_resumed_its_recording(
    browser: PageBrowser, service: Service
) -> None:
    """It can be resumed from there, and a microphone that was silenced here stays silent."""
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        await tab.start_recording()
        await wait_for_chunks(tab, 3)
        (session,) = service.get("/api/audio/sessions").json()["sessions"]
        path = f"/api/audio/sessions/{session['session_id']}"
        service.post(f"{path}/pause")
        await tab.wait_for_state("Another client has paused")
        await tab.wait_until(f"{PEAK} === -60")
        service.post(f"{path}/resume")
        await tab.wait_for_state("Recording", exact=True)
        service.post(f"{path}/pause")
        await tab.wait_for_state("Another client has paused")
        await page.get_by_role("button", name="Resume").click()
        await tab.wait_for_state("Recording", exact=True)
        assert not service.get(path).json()["paused"]
        await page.get_by_role("button", name="Pause", exact=True).click()
        await expect(page.locator("#list .badge")).to_have_text("Paused")
        service.post(f"{path}/resume")
        await tab.wait_for_state("Another client has resumed")
        await tab.wait_until(f"{PEAK} === -60")
        await page.get_by_role("button", name="Resume").click()
        await tab.wait_for_state("Recording", exact=True)
        await tab.stop_recording()


async def start_and_pause(tab: PageTab) -> None:
    await tab.start_recording()
    await wait_for_chunks(tab, 5)
    await tab.page.keyboard.press("p")
    await expect(tab.page.locator("#list .badge")).to_have_text("Paused")


@pytest.mark.parametrize(
    "quality", ["Lossless", pytest.param("Compressed", marks=pytest.mark.long)]
)
async def test_a_recording_that_was_paused_goes_on_after_a_reload(
    browser: PageBrowser, service: Service, quality: str
) -> None:
    """The page asks, and the recording stays paused until the user resumes or finishes it."""
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
        await page.get_by_label("Quality").select_option(quality)
        await page.get_by_label("Channels").select_option("Stereo")
        await start_and_pause(tab)
        (before,) = service.get("/api/audio/sessions").json()["sessions"]
        item = page.locator("#outgoing li")
        for _ in range(2):  # a second reload loses nothing either
            await page.reload()
            await expect(item).to_contain_text("this page was closed or reloaded")
        await item.get_by_role("button", name="Resume").click()
        await tab.wait_for_state("Recording", exact=True)
        await expect(item).to_be_hidden()
        await wait_for_chunks(tab, 5)
        await tab.stop_recording()
    after = service.get(f"/api/audio/sessions/{only_session(service)}").json()
    assert after["session_id"] == before["session_id"]
    assert after["channels"] == 2
    assert after["duration_seconds"] > before["duration_seconds"]
    assert after["warnings"] == []


async def test_a_recording_that_was_paused_is_finished_after_a_reload_if_the_user_wants(
    browser: PageBrowser, service: Service
) -> None:
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
        await start_and_pause(tab)
        await page.reload()
        await page.locator("#outgoing li").get_by_role("button", name="Finish").click()
        await page.get_by_text("was finished").wait_for()
        await expect(page.locator("#outgoing")).to_be_hidden()
    only_session(service)


async def test_marks_have_the_given_label_or_a_number(
    browser: PageBrowser, service: Service
) -> None:
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        await tab.start_recording()
        await wait_for_chunks(tab, 5)
        await page.keyboard.press("m")
        await page.get_by_text("“Mark 1” marks").wait_for()
        label = page.get_by_label("Label of the next mark")
        await label.fill("Question 2")
        await page.get_by_role("button", name="Mark", exact=True).click()
        await page.get_by_text("“Question 2” marks").wait_for()
        await expect(label).to_have_attribute("placeholder", "Mark 3")
        await tab.stop_recording()
        await expect(label).to_be_hidden()
    timeline = service.get(f"/api/audio/sessions/{only_session(service)}/timeline").json()
    assert [each["label"] for each in timeline["marks"]] == ["Mark 1", "Question 2"]
