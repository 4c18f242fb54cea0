"""Sharing a recording with the page, and the timeline over a waveform."""

import asyncio
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from playwright.async_api import expect
from websockets.sync.client import connect

from tests.audio import pcm
from tests.service import Service
from tests.web.browser import PageBrowser
from tests.web.test_playback import until_position

RATE = 8000
WEEK_SECONDS = 7 * 86_400


@pytest.fixture
def service(start_service: Callable[..., Service]) -> Service:
    return start_service()


def status_of(url: str) -> int:
    return httpx.get(url).status_code


async def test_a_part_is_shared_for_a_week_and_the_link_is_revoked(
    browser: PageBrowser, service: Service
) -> None:
    """The address is copied; after that, the list of links does not have it."""
    async with service.session() as client, browser.open_page(f"{service.url}/") as tab:
        await tab.page.get_by_role("button", name="Watch").wait_for()
        await expect(tab.page.get_by_role("button", name="Share")).to_be_hidden()
        await client.control("close_session")
    session_id = await service.record(pcm(RATE) * 20, sample_rate=RATE)
    links = f"/api/audio/sessions/{session_id}/links"
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        await page.get_by_role("button", name="Share").click()
        dialog = page.get_by_role("dialog", name="Share")
        await dialog.get_by_text("There are no links.").wait_for()
        await dialog.get_by_label("From").fill("0:05")
        await dialog.get_by_label("To").fill("0:30")
        await dialog.get_by_role("button", name="Make a link").click()
        await expect(dialog.get_by_role("alert")).to_contain_text("within 0:20")
        await dialog.get_by_label("To").fill("0:15")
        await dialog.get_by_label("Format").select_option("mp3")
        await page.keyboard.press("Enter")
        await dialog.get_by_role("button", name="Copy the address").click()
        await dialog.get_by_text("Copied.").wait_for()
        url = await page.evaluate("navigator.clipboard.readText()")
        (link,) = service.get(links).json()["links"]
        assert (link["start"], link["end"], link["format"]) == (5, 15, "mp3")
        end = datetime.fromisoformat(link["expires_at"])
        assert 0 < WEEK_SECONDS - (end - datetime.now(UTC)).total_seconds() < 60
        assert await asyncio.to_thread(status_of, url) == 200
        await expect(dialog.get_by_role("listitem")).to_contain_text("MP3 · 0:05")
        await dialog.get_by_role("button", name="Close").click()
        await page.get_by_role("button", name="Share").click()
        await expect(dialog.get_by_role("listitem")).to_contain_text("MP3")
        await expect(dialog.get_by_label("Address of the link")).to_have_count(0)
        await dialog.get_by_role("button", name="Revoke").click()
        await dialog.get_by_text("There are no links.").wait_for()
        assert await asyncio.to_thread(status_of, url) == 404


async def test_a_refused_share_is_said_plainly(
    browser: PageBrowser, start_service: Callable[..., Service], tmp_path: Path
) -> None:
    """The key loses the scope `read` after the page has listed the recording."""
    key, keys = "a-key-of-this-test-with-thirty-two-characters", tmp_path / "keys"
    digest = hashlib.sha256(key.encode()).hexdigest()
    keys.write_text(f"{digest} alice record,read\n")
    service = start_service(auth_mode="api_key", api_keys_file=str(keys))
    with connect(service.ws_url, subprotocols=["bearer", key]) as socket:  # type: ignore[list-item]
        for message in (pcm(RATE), '{"type":"control","action":"close_session"}'):
            socket.send(message)
        for _ in range(3):
            socket.recv()
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        await page.get_by_label("Key or token").fill(key)
        await page.get_by_role("button", name="Continue").click()
        await page.get_by_role("button", name="Share").wait_for()
        keys.write_text(f"{digest} alice record\n")
        await page.get_by_text("This key is not allowed to do that.").wait_for()  # of the list
        await page.get_by_role("button", name="Share").click()
        alert = page.get_by_role("dialog").get_by_role("alert")
        await expect(alert).to_have_text(
            "This key may not share recordings. Sign in with a key that has the scope “read”."
        )
        tab.page_errors = [text for text in tab.page_errors if "40" not in text]


async def test_marks_and_pauses_of_a_recording_are_reached_with_the_keyboard(
    browser: PageBrowser, service: Service
) -> None:
    async with service.session(sample_rate=RATE) as client:
        await client.send(pcm(RATE) * 5)
        path = f"/api/audio/sessions/{client.session_id}"
        service.post(f"{path}/marks", json={"label": "Question 2"})
        await client.send(pcm(RATE) * 3)
        service.post(f"{path}/pause")
        await client.send(pcm(RATE))
        service.post(f"{path}/resume")
        await client.send(pcm(RATE) * 2)
        await client.control("close_session")
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        before = await page.locator(".wave canvas").screenshot()
        events = page.get_by_role("list", name="Marks, pauses and gaps").get_by_role("button")
        await expect(events).to_have_count(2)
        await expect(events.first).to_have_accessible_name("0:05 Question 2")
        await expect(events.last).to_contain_text("0:08 Paused for")
        await events.last.focus()
        await page.keyboard.press("Enter")
        await until_position(page.get_by_role("slider"), 8)
        assert await page.locator(".wave canvas").screenshot() != before
