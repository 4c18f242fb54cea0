"""Accessibility of the page: axe-core, keyboard, screen readers and reduced motion."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, ViewportSize, expect

from tests.audio import speech
from tests.parameters import long_except_first
from tests.service import Service
from tests.web.browser import DESKTOP, PHONE, PageBrowser, PageTab

NO_MP3 = b"ID3\x04\x00\x00\x00\x00\x00\x00" + bytes(5000)
AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture
def service(start_service: Callable[..., Service]) -> Service:
    return start_service()


async def violations(tab: PageTab) -> list[str]:
    """Return the violations that axe-core finds."""
    page_errors = list(tab.page_errors)
    await tab.page.evaluate(f"() => {{ {AXE.read_text()} }}")
    found: dict[str, Any] = await tab.page.evaluate("axe.run()")
    tab.page_errors = page_errors  # axe-core's styles violate the page's policy
    assert len(found["passes"]) > 10
    return [f"{each['id']}: {each['nodes'][0]['html']}" for each in found["violations"]]


@pytest.mark.parametrize(
    ("size", "scheme"),
    [
        (DESKTOP, "light"),
        pytest.param(PHONE, "dark", marks=pytest.mark.long),
    ],  # colours do not depend on the width
    ids=["desktop-light", "phone-dark"],
)
async def test_axe_finds_no_violation(
    browser: PageBrowser, service: Service, scheme: Any, size: Any
) -> None:
    options = {"color_scheme": scheme, "viewport": size}
    async with browser.open_page(f"{service.url}/", **options) as tab:
        page = tab.page
        await page.get_by_text("No recordings yet").wait_for()
        assert await violations(tab) == []
        await service.record(speech(), sample_rate=22050)
        await service.record(NO_MP3, format="mp3")
        await tab.start_recording()
        await page.get_by_role("button", name="Watch").click()
        await page.get_by_text("Live", exact=True).wait_for()
        await page.locator("details.menu:visible summary").last.click()
        assert await violations(tab) == []
        await page.get_by_role("button", name="Finish").click()
        assert await violations(tab) == []
        await page.get_by_role("button", name="Cancel").click()
        await page.get_by_role("button", name="Keyboard shortcuts").click()
        assert await violations(tab) == []
        await page.get_by_role("button", name="Close").click()
        await page.locator("#list > li").nth(1).scroll_into_view_if_needed()
        await page.get_by_text("What the service says").click()
        await page.get_by_role("button", name="Rename").first.click()
        assert await violations(tab) == []
        await page.keyboard.press("Escape")
        await page.locator("details.menu:visible summary").last.click()
        await page.get_by_role("button", name="Receipt").last.click()
        assert await violations(tab) == []
        await page.get_by_role("button", name="Close").click()
        await page.get_by_label("Search").fill("nothing has this name")
        await page.get_by_text("No recording matches").wait_for()
        assert await violations(tab) == []
        await page.get_by_role("button", name="Clear the search").click()
        await page.get_by_role("checkbox", name="Select").last.wait_for()
        service.kill()
        await tab.wait_for_state("Connection lost")
        assert await violations(tab) == []
        await page.get_by_role("button", name="Stop recording").click()
        await page.get_by_text("Waiting for the connection").wait_for()
        await page.get_by_role("checkbox", name="Select").last.check()
        assert await violations(tab) == []
        await asyncio.to_thread(service.start)
        await page.get_by_text("was sent.").wait_for()
        await page.evaluate("document.querySelector('#recorder').dataset.state = 'stalled'")
        assert await violations(tab) == []


@pytest.mark.parametrize(
    ("size", "scheme"),
    [(DESKTOP, "light"), pytest.param(PHONE, "dark", marks=pytest.mark.long)],
    ids=["desktop-light", "phone-dark"],
)
async def test_axe_finds_no_violation_in_a_pause_a_timeline_and_a_shared_link(
    browser: PageBrowser, service: Service, scheme: Any, size: Any
) -> None:
    async with service.session(sample_rate=22050) as client:
        await client.send(speech())
        marks = f"/api/audio/sessions/{client.session_id}/marks"
        service.post(marks, json={"label": "Question 2"})
        await client.control("close_session")
    options = {"color_scheme": scheme, "viewport": size}
    async with browser.open_page(f"{service.url}/", **options) as tab:
        page = tab.page
        await tab.start_recording()
        await page.keyboard.press("p")
        await tab.wait_for_state("Paused")
        await page.locator("#list > li").last.scroll_into_view_if_needed()
        await page.get_by_role("button", name="Question 2").wait_for()
        assert await violations(tab) == []
        await page.get_by_role("button", name="Share").click()
        await page.get_by_role("button", name="Make a link").click()
        await page.get_by_role("button", name="Copy the address").wait_for()
        assert await violations(tab) == []
        await page.get_by_role("button", name="Close").click()
        await tab.stop_recording()


@pytest.mark.parametrize("size", long_except_first([{"width": 320, "height": 600}, PHONE, DESKTOP]))
async def test_the_page_fits_the_width_of_the_screen(
    browser: PageBrowser, service: Service, size: Any
) -> None:
    """From left to right, and in a language that runs from right to left."""
    await service.record(speech(), sample_rate=22050)
    async with browser.open_page(f"{service.url}/", viewport=size) as tab:
        await tab.page.locator("#list > li").scroll_into_view_if_needed()
        await tab.page.locator(".wave canvas").first.wait_for()
        for direction in ("ltr", "rtl"):
            width = await tab.page.evaluate(
                "(direction) => { document.documentElement.dir = direction;"
                " return document.documentElement.scrollWidth; }",
                direction,
            )
            assert width <= size["width"]
        for part in ("from", "to", "sort"):  # narrower, a date or an order is cut
            box = await tab.page.locator(f"#filter [data-part={part}]").bounding_box()
            assert box is not None
            assert box["width"] >= 9.5 * 16
        zoomed = ViewportSize(width=size["width"], height=450)  # a browser at 200 %
        await tab.page.set_viewport_size(zoomed)
        await tab.page.get_by_role("button", name="Keyboard shortcuts").click()
        await expect(tab.page.get_by_role("heading", name="Keyboard shortcuts")).to_be_in_viewport()


async def test_every_control_can_be_used_with_the_keyboard(
    browser: PageBrowser, service: Service
) -> None:
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        await page.get_by_text("No recordings yet").wait_for()
        await reach(page, "Skip to recordings")
        await reach(page, "Start recording")
        await page.keyboard.press("Enter")
        await tab.wait_for_state("Recording")
        await reach(page, "Pause")
        await page.keyboard.press("Enter")
        await tab.wait_for_state("Paused")
        await reach(page, "Mark")
        await reach(page, "Label of the next mark")
        await page.keyboard.press("Escape")
        await page.get_by_role("button", name="Stop recording").focus()
        await page.keyboard.press("Enter")
        await tab.wait_for_state("Saved")
        for label in ("Microphone", "Quality", "Channels", "Reduce noise", "Check microphone"):
            await reach(page, label)
        await reach(page, "Upload files")
        await reach(page, "Search by title")
        await page.get_by_role("button", name="Play").wait_for()
        await reach(page, "Select")
        await reach(page, "Play")
        await page.keyboard.press("Space")
        await reach(page, "Rename")
        await reach(page, "Share")
        await reach(page, "Download")
        await page.keyboard.press("Enter")
        await reach(page, "FLAC")
        await page.keyboard.press("Escape")
        await reach(page, "Delete")
        await reach(page, "Position in")
        await page.keyboard.press("ArrowRight")
        await page.keyboard.press("Shift+Tab")
        assert "Delete" in await focused(page)
        await page.keyboard.press("Enter")
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await page.keyboard.press("Enter")
        await reach(page, "Delete", within="dialog")
        await page.keyboard.press("Enter")
        await page.get_by_text("No recordings yet").wait_for()


async def reach(page: Page, name: str, within: str = "") -> None:
    """Press Tab until an element called ``name`` has the focus."""
    for _ in range(20):
        await page.keyboard.press("Tab")
        is_inside = await page.evaluate(
            "(box) => !box || document.activeElement.closest(box) !== null", within
        )
        if is_inside and name in await focused(page):
            return
    raise AssertionError(f"{name} is not reachable with Tab")


async def focused(page: Page) -> str:
    return str(
        await page.evaluate("""() => {
            const { activeElement: element } = document;
            const label = element.labels?.[0]?.textContent ?? element.textContent;
            return element.getAttribute('aria-label') ?? label;
        }""")
    )


async def test_state_changes_are_announced_to_screen_readers(
    browser: PageBrowser, service: Service
) -> None:
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        status = page.locator("#recorder").get_by_role("status").first
        await expect(status).to_have_text("Ready")
        await tab.start_recording()
        await expect(page.get_by_role("meter", name="Input level")).to_have_attribute(
            "aria-valuetext", "0 decibels"
        )
        await expect(page.get_by_role("timer", name="Elapsed time")).to_be_visible()
        service.kill()
        await expect(status).to_contain_text("Recording continues")
        await asyncio.to_thread(service.start)
        await tab.wait_for_state("Recording", exact=True)  # else a stop leaves the rest for later
        await tab.stop_recording()


async def test_the_page_does_not_animate_with_reduced_motion(
    browser: PageBrowser, service: Service
) -> None:
    async with browser.open_page(f"{service.url}/", reduced_motion="reduce") as tab:
        await tab.start_recording()
        style = "getComputedStyle(document.querySelector('.state'), '::before').animationName"
        assert await tab.page.evaluate(style) == "none"
        await tab.stop_recording()
