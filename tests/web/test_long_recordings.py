"""Recordings of hours on the page: they play at any position, and their waveforms stay small."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.audio import pcm
from tests.eventually import eventually
from tests.service import Service
from tests.web.browser import PageBrowser

pytestmark = pytest.mark.long

SAMPLE_RATE = 8000
HOUR_BYTES = SAMPLE_RATE * 3600 * 2
MAX_WAVEFORM_BYTES = 200_000


async def record_hours(service: Service, hours: int) -> str:
    """Record tones and pauses of ``hours``, faster than they play."""
    piece = pcm(SAMPLE_RATE) * (3600 // 16) + bytes(HOUR_BYTES // 16)
    async with service.session(sample_rate=SAMPLE_RATE) as client:
        for _ in range(8 * hours):
            answer = await client.send(piece)
        assert answer["duration_seconds"] == hours * 3600
        await client.close_session()
    return client.session_id


async def received_bytes(page: Page, part: str) -> Callable[[], int]:
    """Count the bytes on the wire, with headers, of answers whose address has ``part``."""
    network = await page.context.new_cdp_session(page)
    await network.send("Network.enable")
    wanted: set[str] = set()
    sizes: dict[str, int] = {}

    def note_request(event: dict[str, Any]) -> None:
        if part in event["request"]["url"]:
            wanted.add(event["requestId"])

    network.on("Network.requestWillBeSent", note_request)
    network.on(
        "Network.loadingFinished",
        lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}),
    )
    return lambda: sum(size for request, size in sizes.items() if request in wanted)


async def test_three_hours_play_at_any_position(
    browser: PageBrowser, start_service: Callable[..., Service]
) -> None:
    service = start_service()
    await record_hours(service, 3)
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        slider = page.get_by_role("slider")
        await expect(page.locator("#list > li")).to_contain_text("3:00:00 · 173 MB")
        await slider.focus()
        await page.keyboard.press("End")
        await page.keyboard.press("PageDown")
        await page.keyboard.press("Space")
        await eventually(
            slider.input_value,
            lambda value: 10_770.5 < float(value) <= 10_800,
            awaiting="the last half minute",
        )
        await page.keyboard.press("Space")
        for _ in range(4):
            await page.get_by_role("button", name="Zoom in").click()
        await expect(slider).to_have_attribute("max", "10800")
        await expect(slider).to_have_attribute("min", "10125")


async def test_the_waveform_of_a_day_costs_less_than_200_kb(
    browser: PageBrowser, start_service: Callable[..., Service]
) -> None:
    """Also while the user zooms in."""
    service = start_service(max_session_duration_hours=25)
    await record_hours(service, 24)
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        received = await received_bytes(page, "/waveform")
        await page.reload()
        await expect(page.locator("#list > li")).to_contain_text("24:00:00")
        first = await eventually(received, awaiting="the waveform")
        assert first < MAX_WAVEFORM_BYTES
        for _ in range(3):
            await page.get_by_role("button", name="Zoom in").click()
        await expect(page.get_by_role("slider")).to_have_attribute("max", f"{24 * 3600 // 8}")
        await eventually(received, lambda size: size > 3 * first, awaiting="the zoomed waveforms")
        assert received() < 4 * MAX_WAVEFORM_BYTES
