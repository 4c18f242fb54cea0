"""Recording on the page while the service is away, or refuses it."""

import asyncio
import hashlib
from collections.abc import Callable

import pytest
from playwright.async_api import expect

from tests.service import Service
from tests.web.browser import PageBrowser, PageTab
from tests.web.test_recording import only_session, wait_for_chunks


@pytest.fixture
def service(start_service: Callable[..., Service]) -> Service:
    return start_service(sync_interval_seconds=0.2)


async def stop_during_an_outage(tab: PageTab, service: Service) -> None:
    await tab.start_recording()
    await wait_for_chunks(tab, 5)
    service.kill()
    await tab.wait_for_state("Connection lost")
    await wait_for_chunks(tab, 10)
    await tab.page.get_by_role("button", name="Stop recording").click()
    await tab.wait_for_state("What is not sent yet is listed below")


async def test_a_recording_starts_while_the_service_is_away(
    browser: PageBrowser, service: Service
) -> None:
    async with browser.open_page(f"{service.url}/") as tab:
        await tab.page.get_by_text("No recordings yet").wait_for()
        await tab.page.wait_for_load_state("networkidle")
        service.kill()
        await tab.page.get_by_role("button", name="Start recording").click()
        await tab.wait_for_state("Recording continues in this browser")
        await wait_for_chunks(tab, 10)
        await asyncio.to_thread(service.start)
        await tab.wait_for_state("Recording", exact=True)
        await tab.stop_recording()
        await expect(tab.page.locator(".notice.error")).to_have_count(0)
    assert service.pcm(only_session(service)) == b"".join(tab.delivered_chunks)


async def test_after_a_stop_without_a_connection_another_recording_can_be_started(
    browser: PageBrowser, service: Service
) -> None:
    async with browser.open_page(f"{service.url}/") as tab:
        await stop_during_an_outage(tab, service)
        first = b"".join(tab.delivered_chunks)
        unsent = tab.page.locator("#outgoing li")
        await expect(unsent).to_contain_text("kB not sent. Waiting for the connection.")
        await tab.page.get_by_role("button", name="Start recording").click()
        await tab.wait_for_state("Recording continues in this browser")
        await unsent.get_by_role("button", name="Send now").click()
        await asyncio.to_thread(service.start)
        await tab.page.get_by_text("was sent.").wait_for()
        await expect(tab.page.locator("#outgoing")).to_be_hidden()
        await tab.wait_for_state("Recording", exact=True)
        await tab.stop_recording()
    second, recorded = service.get("/api/audio/sessions").json()["sessions"]
    assert service.pcm(recorded["session_id"]) == first
    assert service.pcm(second["session_id"]) == b"".join(tab.delivered_chunks)[len(first) :]


async def test_what_was_not_sent_can_be_discarded(browser: PageBrowser, service: Service) -> None:
    async with browser.open_page(f"{service.url}/") as tab:
        await stop_during_an_outage(tab, service)
        await tab.page.get_by_role("button", name="Discard").click()
        await tab.page.get_by_role("dialog").get_by_role("button", name="Discard").click()
        await expect(tab.page.locator("#outgoing")).to_be_hidden()
        await asyncio.to_thread(service.start)
        await tab.page.reload()
        interrupted = tab.page.get_by_text("Interrupted")
        await interrupted.wait_for()  # nothing was resumed
        await expect(tab.page.locator("#outgoing")).to_be_hidden()


@pytest.mark.parametrize("change", ["deleted", pytest.param("finished", marks=pytest.mark.long)])
async def test_a_recording_that_another_client_ends_is_one_plain_sentence(
    browser: PageBrowser, service: Service, change: str
) -> None:
    text = {"deleted": "The recording was deleted.", "finished": "Another client finished"}
    async with browser.open_page(f"{service.url}/") as tab:
        await tab.start_recording()
        await wait_for_chunks(tab, 5)
        (session,) = service.get("/api/audio/sessions").json()["sessions"]
        path = f"/api/audio/sessions/{session['session_id']}"
        if change == "deleted":
            service.delete(path)
        else:
            service.post(f"{path}/close")
        await tab.page.locator(".notice.error", has_text=text[change]).wait_for()
        await tab.page.get_by_role("button", name="Start recording").wait_for()
        await expect(tab.page.locator(".notice")).to_have_count(1)
        await tab.page.reload()
        await expect(tab.page.locator("#empty, #list li").filter(visible=True)).to_have_count(1)
        await expect(tab.page.locator("#outgoing")).to_be_hidden()


async def test_a_read_only_key_is_told_so_and_leaves_no_session(
    browser: PageBrowser, start_service: Callable[..., Service]
) -> None:
    key = "a-key-that-may-only-read"
    known = hashlib.sha256(key.encode()).hexdigest()
    service = start_service(auth_mode="api_key", api_keys=f"{known} alice read")
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        await page.get_by_label("Key or token").fill(key)
        await page.get_by_role("button", name="Continue").click()
        await page.get_by_text("Signed in as alice").wait_for()
        await page.get_by_role("button", name="Start recording").click()
        await page.get_by_text("sign in with a key that has the scope “record”").wait_for()
        await tab.wait_for_state("Stopped")
        await expect(page.locator(".notice")).to_have_count(1)
        await page.reload()
        await page.get_by_text("No recordings yet").wait_for()
        await expect(page.locator("#outgoing")).to_be_hidden()
        tab.page_errors = [text for text in tab.page_errors if "40" not in text]


async def test_a_live_recording_without_a_client_is_called_interrupted(
    browser: PageBrowser, service: Service
) -> None:
    async with browser.open_page(f"{service.url}/") as tab:
        async with service.session() as client:
            await client.send(bytes(1000))
            await tab.page.get_by_text("Being recorded", exact=True).last.wait_for()
        await tab.page.locator(".badge", has_text="Interrupted").wait_for()
        text = "No client has been connected since"
        await expect(tab.page.locator("#list li")).to_contain_text(text)
        await expect(tab.page.locator("#list li")).to_contain_text("The recording ends at")
