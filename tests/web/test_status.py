"""The page /status shows an admin the node, its sessions and its tasks."""

from collections.abc import Callable

from playwright.async_api import expect

from api.access.api_keys import key_line, new_key
from tests.audio import pcm
from tests.service import Service
from tests.web.browser import PageBrowser
from tests.web.test_accessibility import violations


async def test_the_page_shows_the_live_sessions_and_the_tasks_and_follows_them(
    browser: PageBrowser, service: Service
) -> None:
    async with (
        service.session(user_id="<b>alice</b>", sample_rate=8000) as client,
        browser.open_page(f"{service.url}/status") as tab,
    ):
        await client.send(pcm(8000))
        row = tab.page.locator("#sessions tbody tr")
        await expect(row).to_contain_text(client.session_id)
        await expect(row).to_contain_text("<b>alice</b>")
        await expect(row).to_contain_text("0:01")
        tasks = tab.page.locator("#tasks tbody tr", has_text="storage-sync")
        await expect(tasks).to_contain_text("up")
        await expect(tab.page.get_by_text("1 of 100")).to_be_visible()
        assert await violations(tab) == []
        await client.close_session()
        await expect(row).to_have_count(0)


async def test_a_key_without_the_scope_admin_sees_nothing(
    browser: PageBrowser, start_service: Callable[..., Service]
) -> None:
    key = new_key()
    service = start_service(auth_mode="api_key", api_keys=key_line(key, "alice", ["read"]))
    async with browser.open_page(f"{service.url}/status") as tab:
        field = tab.page.get_by_role("dialog", name="Sign in").get_by_label("Key or token")
        await field.fill(key)
        await field.press("Enter")
        await tab.page.get_by_text("not allowed to do that").wait_for()
        await expect(tab.page.get_by_text("Loading")).to_be_visible()
        tab.page_errors.clear()  # the browser logs the answer 403
