"""Finding recordings: search, dates, states, order, count; and lists of thousands."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, Page, Route, expect

from tests.audio import pcm
from tests.eventually import eventually
from tests.service import Service
from tests.web.browser import PageBrowser
from tests.web.stored_sessions import store_sessions

MANY = 2000
PAGE_SIZE = 50
SEARCH = "Search by title, user or ID"


def rows(page: Page) -> Locator:
    return page.locator("#list > li")


def count(page: Page) -> Locator:
    return page.locator("#count")


async def expect_titles(page: Page, *titles: str) -> None:
    await expect(rows(page).locator("h3")).to_have_text(list(titles))


async def test_recordings_are_found_by_text_day_and_state_in_both_orders(
    browser: PageBrowser, start_service: Callable[..., Service], tmp_path: Path
) -> None:
    """A search sends one request after the last key, and both days of a range are included."""
    days = {"Lecture": 10, "Damaged interview": 20, "Interview with Ada": 25}
    store_sessions(
        tmp_path / "sessions",
        [(datetime(2026, 1, day, 12, tzinfo=UTC), title) for title, day in days.items()],
    )
    service = start_service(audio_storage_path=tmp_path / "sessions")
    newest_first = list(days)[::-1]
    async with browser.open_page(f"{service.url}/", timezone_id="Asia/Tokyo") as tab:
        page = tab.page
        await expect_titles(page, *newest_first)
        await expect(count(page)).to_have_text("3 recordings")
        searches: list[str] = []
        page.on("request", lambda sent: searches.append(sent.url) if "q=" in sent.url else None)
        await page.get_by_label(SEARCH).press_sequentially("interview")
        await expect(count(page)).to_have_text("2 found")
        await expect_titles(page, "Interview with Ada", "Damaged interview")
        assert len(searches) == 1
        await page.get_by_label("Order").select_option("Oldest first")
        await expect_titles(page, "Damaged interview", "Interview with Ada")
        await page.get_by_label("Show").select_option("With warnings")
        await expect_titles(page, "Damaged interview")
        await page.get_by_label("Show").select_option("Being recorded")
        await page.get_by_text("No recording matches.").wait_for()
        await page.get_by_role("button", name="Clear the search").click()
        await expect(page.get_by_label(SEARCH)).to_be_focused()
        await expect_titles(page, *days)
        await page.get_by_label("From").fill("2026-01-20")
        await expect_titles(page, "Damaged interview", "Interview with Ada")
        await page.get_by_label("To", exact=True).fill("2026-01-20")
        await expect_titles(page, "Damaged interview")


@pytest.mark.long
async def test_a_new_recording_takes_its_place_in_either_order(
    browser: PageBrowser, start_service: Callable[..., Service], tmp_path: Path
) -> None:
    """With the oldest first it is the last one, also below the first page."""
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    stored = [(begin + timedelta(hours=number), f"No. {number}") for number in range(60)]
    store_sessions(tmp_path / "sessions", stored)
    service = start_service(audio_storage_path=tmp_path / "sessions")
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        await expect(rows(page).first).to_contain_text("No. 59")
        await service.record(pcm(10), title="New")
        await expect(rows(page).first).to_contain_text("New")
        await page.get_by_label("Order").select_option("Oldest first")
        await expect(rows(page).first).to_contain_text("No. 0")
        await scroll_to_end(page, rows_count=61)
        await service.record(pcm(10), title="Newer")
        await expect(rows(page).last).to_contain_text("Newer")
        await expect(count(page)).to_have_text("62 recordings")
        await expect(rows(page)).to_have_count(62)


async def test_short_and_empty_pages_of_a_search_are_followed_to_the_end(
    browser: PageBrowser, start_service: Callable[..., Service]
) -> None:
    """A bucket answers a search in pages that may have no session although more follow."""
    service = start_service()
    await service.record(pcm(10), title="Found")
    (found,) = service.get("/api/audio/sessions").json()["sessions"]
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        requests: list[str] = []

        async def scan(route: Route) -> None:
            requests.append(route.request.url)
            pages: dict[str, dict[str, Any]] = {
                "": {"sessions": [], "next_cursor": "1", "total": None},
                "1": {"sessions": [], "next_cursor": "2", "total": None},
                "2": {"sessions": [found], "next_cursor": None, "total": None},
            }
            cursor = route.request.url.partition("cursor=")[2].partition("&")[0]
            await route.fulfill(body=json.dumps(pages[cursor]))

        await page.route("**/api/audio/sessions?*q=*", scan)
        await page.get_by_label(SEARCH).fill("found")
        await expect(count(page)).to_have_text("1 found")
        await expect_titles(page, "Found")
        assert len(requests) == 3


async def scroll_to_end(page: Page, *, rows_count: int) -> None:
    await eventually(
        lambda: page.evaluate("""() => {
            scrollTo(0, document.body.scrollHeight);
            return document.querySelectorAll('#list > li').length;
        }"""),
        lambda found: found == rows_count,
        awaiting=f"{rows_count} rows",
    )


@pytest.mark.long
async def test_two_thousand_recordings_scroll_with_one_request_a_page(
    browser: PageBrowser, start_service: Callable[..., Service], tmp_path: Path
) -> None:
    """Only the rows near the view have controls, and no row moves while the user scrolls."""
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    stored = [(begin + timedelta(minutes=number), f"No. {number}") for number in range(MANY)]
    store_sessions(tmp_path / "sessions", stored)
    service = start_service(audio_storage_path=tmp_path / "sessions")
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        await expect(count(page)).to_have_text("2,000 recordings")
        pages: list[str] = []
        page.on("request", lambda sent: pages.append(sent.url) if "cursor=" in sent.url else None)
        await page.evaluate("""() => {
            globalThis.shifts = [];
            new PerformanceObserver((list) => {
                for (const { value, sources } of list.getEntries()) {
                    // The button below the rows moves with each new page.
                    const isRow = ({ node }) => node?.parentElement?.closest('#list');
                    if (sources.some(isRow)) shifts.push(value);
                }
            }).observe({ type: 'layout-shift' });
        }""")
        most_filled = await page.evaluate(
            """async (many) => {
            const list = document.querySelector('#list');
            const { scrollingElement: page } = document;
            const isAtEnd = () => scrollY + innerHeight > page.scrollHeight - 2;
            let most = 0;
            while (list.children.length < many || !isAtEnd()) {
                scrollBy(0, 1000);
                await new Promise(requestAnimationFrame);
                most = Math.max(most, list.querySelectorAll('.actions').length);
            }
            return most;
        }""",
            MANY,
        )
        await expect(rows(page).last).to_contain_text("No. 0")
        assert len(pages) == len(set(pages)) == MANY / PAGE_SIZE - 1
        assert most_filled < PAGE_SIZE
        assert await page.evaluate("shifts") == []
