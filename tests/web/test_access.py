"""The page of a service with authentication."""

import hashlib
from collections.abc import Callable

import pytest
from playwright.async_api import expect
from websockets.sync.client import connect

from tests.audio import pcm
from tests.service import Service
from tests.web.browser import PageBrowser

KEY = "a-key-that-only-its-holder-has"


@pytest.fixture
def service(start_service: Callable[..., Service]) -> Service:
    known = hashlib.sha256(KEY.encode()).hexdigest()
    return start_service(auth_mode="api_key", api_keys=f"{known} alice record,read")


async def test_the_page_prompts_for_a_key_and_uses_it_for_every_request(
    browser: PageBrowser, service: Service
) -> None:
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        addresses: list[str] = []
        page.on("request", lambda request: addresses.append(request.url))
        dialog = page.get_by_role("dialog", name="Sign in")
        field = dialog.get_by_label("Key or token")
        await field.fill("a-wrong-one")
        await field.press("Enter")
        await dialog.get_by_text("refused this key").wait_for()
        await field.fill(KEY)
        await dialog.get_by_role("button", name="Continue").click()
        await page.get_by_text("No recordings yet").wait_for()
        await tab.start_recording()
        await page.get_by_role("button", name="Watch").click()
        await page.get_by_text("Live", exact=True).wait_for()
        await tab.wait_until("document.querySelector('[data-part=clock]').textContent > '0:02'")
        await tab.stop_recording()
        await page.get_by_role("button", name="Play").click()
        await page.get_by_role("button", name="Pause").wait_for()
        await page.get_by_text("Download", exact=True).click()
        async with page.expect_download() as download:
            await page.get_by_role("button", name="FLAC").click()
        await (await download.value).path()
        await page.reload()
        await page.get_by_role("button", name="Play").wait_for()  # without another prompt
        assert not any(KEY in address for address in addresses)
        tab.page_errors = [text for text in tab.page_errors if "401" not in text]
    (session,) = service.get(
        "/api/audio/sessions", headers={"Authorization": f"Bearer {KEY}"}
    ).json()["sessions"]
    assert (session["user_id"], session["status"]) == ("alice", "completed")
    assert service.pcm(session["session_id"]) == b"".join(tab.delivered_chunks)


async def test_after_a_cancelled_prompt_the_page_does_not_prompt_again_at_once(
    browser: PageBrowser, service: Service
) -> None:
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        dialog = page.get_by_role("dialog", name="Sign in")
        await dialog.get_by_role("button", name="Cancel").click()
        await page.get_by_text("The service requires a key.").wait_for()
        await page.get_by_role("button", name="Start recording").click()
        await page.locator(".notice", has_text="The service requires a key.").last.wait_for()
        await tab.wait_for_state("Stopped")
        await page.get_by_role("button", name="Start recording").wait_for()
        await expect(dialog).to_be_hidden()
        await page.get_by_role("button", name="Enter a key").click()
        await dialog.get_by_label("Key or token").fill(KEY)
        await dialog.get_by_role("button", name="Continue").click()
        await page.get_by_text("No recordings yet").wait_for()


async def test_play_works_after_an_earlier_token_request_failed(
    browser: PageBrowser, service: Service
) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    created = service.post("/api/audio/sessions", headers=headers).json()
    with connect(created["ws_url"]) as socket:
        socket.recv()
        socket.send(pcm(44100 * 20))  # so long that it does not end meanwhile
        socket.recv()
    service.post(f"/api/audio/sessions/{created['session_id']}/close", headers=headers)
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        dialog = page.get_by_role("dialog", name="Sign in")
        await dialog.get_by_label("Key or token").fill(KEY)
        await dialog.get_by_role("button", name="Continue").click()
        await page.route("**/tokens", lambda route: route.abort())
        await page.get_by_role("button", name="Play").click()
        await page.locator(".notice.error").wait_for()
        await page.unroute("**/tokens")
        await page.get_by_role("button", name="Play").click()
        await page.get_by_role("button", name="Pause").wait_for()


async def test_one_sign_in_and_one_sign_out_are_for_all_tabs(
    browser: PageBrowser, service: Service
) -> None:
    context = await browser.new_context()
    async with (
        browser.open_tab(context, f"{service.url}/") as first,
        browser.open_tab(context, f"{service.url}/") as second,
    ):
        await second.page.get_by_role("dialog", name="Sign in").wait_for()
        await first.page.bring_to_front()
        await first.page.get_by_label("Key or token").fill(KEY)
        await first.page.get_by_role("button", name="Continue").click()
        for tab in (first, second):
            await tab.page.get_by_text("Signed in as alice").wait_for()
            await expect(tab.page.get_by_role("dialog")).to_have_count(0)
        async with browser.open_tab(context, f"{service.url}/status") as third:
            await third.page.get_by_text("Signed in as alice").wait_for()
            third.page_errors.clear()  # the browser logs the answer 403
        await first.page.get_by_role("button", name="Sign out").click()
        for tab in (first, second):
            await tab.page.get_by_text("You are signed out.").wait_for()
            await expect(tab.page.get_by_text("Signed in as")).to_be_hidden()
            tab.page_errors = [text for text in tab.page_errors if "401" not in text]
        await second.page.reload()
        await second.page.get_by_role("dialog", name="Sign in").wait_for()
    await context.close()
