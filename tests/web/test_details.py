"""The details of a recording: its title, its warnings in plain words, its receipt."""

import json
from collections.abc import Callable

import pytest
from playwright.async_api import Locator, Page, expect

from tests.audio import pcm
from tests.service import Service
from tests.web.browser import PageBrowser

NO_MP3 = b"ID3\x04\x00\x00\x00\x00\x00\x00" + bytes(5000)


@pytest.fixture
def service(start_service: Callable[..., Service]) -> Service:
    return start_service()


def card(page: Page, number: int = 0) -> Locator:
    return page.locator("#list > li").nth(number)


async def test_a_title_is_edited_in_place_also_while_it_records(
    browser: PageBrowser, service: Service
) -> None:
    """Escape keeps the old title, an empty one brings the date back, and polls do not disturb."""
    async with service.session() as client, browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        name, title = card(page).get_by_role("heading"), card(page).get_by_role("textbox")
        rename = card(page).get_by_role("button", name="Rename")
        date = await name.inner_text()
        await rename.click()
        await expect(title).to_be_focused()
        await page.keyboard.type("Interview")
        async with page.expect_response(lambda answer: "sessions?" in answer.url):
            pass  # a poll while the user types
        await page.keyboard.press("Enter")
        await expect(name).to_have_text("Interview")
        await expect(rename).to_be_focused()
        await expect(card(page)).to_contain_text(date)
        await page.get_by_role("button", name="Finish Interview").click()
        await page.get_by_role("dialog").get_by_role("button", name="Finish").click()
        await expect(card(page)).to_contain_text("Finished")
        assert service.manifest(client.session_id)["title"] == "Interview"
        await rename.click()
        await expect(title).to_have_value("Interview")
        await page.keyboard.type("Nonsense")
        await page.keyboard.press("Escape")
        await expect(name).to_have_text("Interview")
        await rename.click()
        await title.fill(" ")
        await card(page).get_by_role("button", name="Save").click()
        await expect(name).to_have_text(date)
    assert service.get(f"/api/audio/sessions/{client.session_id}").json()["title"] is None


async def test_warnings_are_said_in_plain_words_with_those_of_the_service_beside(
    browser: PageBrowser, service: Service
) -> None:
    session_id = await service.record(NO_MP3, format="mp3")
    (warning,) = service.manifest(session_id)["warnings"]
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        plain = "Part of the audio was damaged and could not be recorded."
        await card(page).get_by_text(plain, exact=True).wait_for()
        said = card(page).get_by_text(warning["message"], exact=True)
        await expect(said).to_be_hidden()
        await card(page).get_by_text("What the service says").click()
        await expect(said).to_be_visible()
        async with page.expect_response(lambda answer: "sessions?" in answer.url):
            pass  # a poll
        await expect(said).to_be_visible()


async def test_the_receipt_can_be_read_and_downloaded(
    browser: PageBrowser, service: Service
) -> None:
    """It says what was received and recorded, and what that does not prove."""
    session_id = await service.record(pcm(44100))
    receipt = service.manifest(session_id)["receipt"]
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        await card(page).get_by_text("Download").click()
        await card(page).get_by_role("button", name="Receipt").click()
        dialog = page.get_by_role("dialog", name="Receipt")
        await expect(dialog).to_contain_text("has signed that")
        await expect(dialog).to_contain_text("1 chunk, 88 kB")
        await expect(dialog).to_contain_text(receipt["audio"]["digest"])
        await expect(dialog).to_contain_text("does not prove the time or the user")
        async with page.expect_download() as download:
            await dialog.get_by_role("link", name="Download the receipt").click()
        file = await (await download.value).path()
        assert json.loads(file.read_bytes()) == receipt
        await dialog.get_by_role("button", name="Close").click()
        await expect(dialog).to_be_hidden()


async def test_only_what_this_browser_sent_and_the_receipt_confirms_is_called_verified(
    browser: PageBrowser, service: Service
) -> None:
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        state = page.locator("#recorder [data-part=state]")
        await tab.start_recording()
        await tab.stop_recording()
        await expect(state).to_contain_text("verified")
        await tab.start_recording()
        (found, *_) = service.get("/api/audio/sessions").json()["sessions"]
        async with service.session(f"/{found['session_id']}") as other:
            await other.socket.send(pcm(100))
            await other.receive()
        await tab.stop_recording()
        await expect(state).to_have_text("Saved")
