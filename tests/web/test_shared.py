"""The page of a shared link in a browser: to hear a recording without an account."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, Request, Route, expect

from tests.audio import pcm
from tests.eventually import eventually
from tests.service import Service
from tests.web.browser import PHONE, PageBrowser
from tests.web.test_accessibility import violations

SESSIONS = "/api/audio/sessions"
SECONDS = 20


async def shared(service: Service) -> tuple[str, dict[str, Any]]:
    """Record and share; return the path of the session and the link."""
    session_id = await service.record(pcm(8000 * SECONDS), sample_rate=8000, title="Interview")
    path = f"{SESSIONS}/{session_id}"
    return path, service.post(f"{path}/links").json()


async def play_with_the_keyboard(page: Page) -> None:
    """Focus the player with Tab, start it with Space; return when it plays."""
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.tagName") == "AUDIO"
    await page.keyboard.press("Space")
    await eventually(lambda: position(page), lambda at: at > 0.2, awaiting="audio")


async def position(page: Page) -> float:
    return float(await page.evaluate("document.querySelector('audio').currentTime"))


async def test_a_visitor_hears_the_recording_on_a_phone_and_with_the_keyboard(
    browser: PageBrowser, service: Service
) -> None:
    path, link = await shared(service)
    async with browser.open_page(link["url"], viewport=PHONE, color_scheme="dark") as tab:
        page = tab.page
        await expect(page.get_by_role("heading", name="Interview")).to_be_visible()
        await play_with_the_keyboard(page)
        assert await page.evaluate("document.querySelector('audio').duration") == SECONDS
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        async with page.expect_download() as download:
            await page.get_by_role("link", name="Download").click()
        assert (await download.value).suggested_filename.startswith("Interview")
        assert await violations(tab) == []
        service.delete(f"{path}/links/{link['link_id']}")
        await page.reload()
        await expect(page.get_by_role("heading", name="was revoked")).to_be_visible()
        assert await violations(tab) == []


@pytest.mark.parametrize(("failures", "is_told"), [(1, False), (1000, True)])
async def test_the_player_asks_again_when_its_address_has_ended_and_tells_if_that_fails(
    browser: PageBrowser, service: Service, *, failures: int, is_told: bool
) -> None:
    _, link = await shared(service)
    left = failures

    async def answer(route: Route, _: Request) -> None:
        nonlocal left
        left -= 1
        await (route.fulfill(status=403) if left >= 0 else route.continue_())

    context = await browser.new_context()
    await context.route("**/audio", answer)
    async with browser.open_tab(context, link["url"]) as tab:
        page, problem = tab.page, tab.page.get_by_role("alert")
        if is_told:
            await expect(problem).to_contain_text("cannot be played")
        else:
            await play_with_the_keyboard(page)
            await expect(problem).to_be_hidden()
            assert left < 0
    await context.close()


async def test_a_visitor_hears_a_recording_of_a_bucket_from_the_store(
    browser: PageBrowser, on_bucket: Callable[..., Service], seaweedfs_url: str
) -> None:
    service = on_bucket()
    _, link = await shared(service)
    context = await browser.new_context()
    page = await context.new_page()
    hosts, errors = set(), []
    page.on("response", lambda answer: hosts.add(urlsplit(answer.url).netloc))
    page.on("console", lambda message: errors.append(message.text))
    await page.goto(link["url"])
    await play_with_the_keyboard(page)
    assert hosts == {urlsplit(each).netloc for each in (service.url, seaweedfs_url)}
    assert errors == []
    await context.close()
