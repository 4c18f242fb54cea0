"""The list of recordings: play, download, delete, and monitor live sessions."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, Route, expect

from tests.audio import decode, pcm, speech, wav
from tests.eventually import eventually
from tests.parameters import long_except_first
from tests.service import Service
from tests.web.browser import PageBrowser

SPEECH_SECONDS = 4.77

# So long that it does not end while a busy machine carries out a step.
LONG = wav(speech()[44:] * 12, sample_rate=22050)
LONG_SECONDS = (len(LONG) - 44) / (2 * 22050)


@pytest.fixture
def service(start_service: Callable[..., Service]) -> Service:
    return start_service()


def card(page: Page, number: int = 0) -> Locator:
    return page.locator("#list > li").nth(number)


async def test_a_recording_is_listed_with_its_facts(browser: PageBrowser, service: Service) -> None:
    session_id = await service.record(speech(), sample_rate=22050, user_id="kim")
    size = service.wav(session_id).stat().st_size
    async with browser.open_page(f"{service.url}/") as tab:
        facts = f"0:04 · {round(size / 1000)} kB · 22.05 kHz mono · kim"
        await expect(card(tab.page)).to_contain_text(facts)
        await expect(card(tab.page)).to_contain_text("Finished")


async def test_a_recording_can_be_played_and_sought(browser: PageBrowser, service: Service) -> None:
    await service.record(LONG, sample_rate=22050)
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        await page.get_by_role("button", name="Play").click()
        await page.get_by_role("button", name="Pause").wait_for()
        seek = page.get_by_role("slider")
        await until_value(seek, lambda seconds: seconds > 0.2)
        await seek.fill("20")
        await until_value(seek, lambda seconds: seconds > 20.1)
        await page.get_by_role("button", name="Pause").click()
        await page.get_by_role("button", name="Play").wait_for()
        await seek.fill("3.5")
        await expect(seek).to_have_attribute("aria-valuetext", "4 seconds")
        await seek.focus()
        await page.keyboard.press("Home")
        assert float(await seek.input_value()) == 0.0
        # Play to the end; a second press starts from the beginning.
        await seek.fill(f"{LONG_SECONDS - 2:.2f}")
        await page.get_by_role("button", name="Play").click()
        await page.get_by_role("button", name="Pause").wait_for()
        await page.get_by_role("button", name="Play").wait_for()
        assert abs(float(await seek.input_value()) - LONG_SECONDS) < 0.02


async def until_value(slider: Locator, is_right: Callable[[float], bool]) -> None:
    await eventually(
        slider.input_value,
        lambda value: is_right(float(value)),
        awaiting="another value of the slider",
    )


async def changed(element: Locator, before: bytes) -> bool:
    """Return whether an element looks different from an earlier picture of it."""
    return await element.screenshot() != before


async def test_a_click_into_the_waveform_seeks_to_that_position(
    browser: PageBrowser, service: Service
) -> None:
    await service.record(speech(), sample_rate=22050)
    async with browser.open_page(f"{service.url}/") as tab:
        seek = tab.page.get_by_role("slider")
        box = await seek.bounding_box()
        assert box is not None
        await seek.click(position={"x": box["width"] / 2, "y": 20})
        await until_value(seek, lambda seconds: abs(seconds - SPEECH_SECONDS / 2) < 0.05)


async def test_only_one_recording_plays_at_a_time(browser: PageBrowser, service: Service) -> None:
    for _ in range(2):
        await service.record(LONG, sample_rate=22050)
    async with browser.open_page(f"{service.url}/") as tab:
        for number in range(2):
            await card(tab.page, number).get_by_role("button", name="Play").click()
            await card(tab.page, number).get_by_role("button", name="Pause").wait_for()
        await expect(tab.page.get_by_role("button", name="Pause")).to_have_count(1)


async def test_the_waveform_shows_loud_and_quiet_parts(
    browser: PageBrowser, service: Service
) -> None:
    loud, silent = pcm(44100), bytes(88200)
    await service.record(loud + silent)
    async with browser.open_page(f"{service.url}/") as tab:
        drawn = tab.page.locator(".wave canvas").first
        await drawn.wait_for()
        halves = await tab.page.wait_for_function("""() => {
            const canvas = document.querySelector('.wave canvas');
            const { width, height } = canvas;
            const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
            const halves = [0, 0];
            for (let at = 3; at < data.length; at += 4) {
                if (data[at] > 128) halves[Number(((at >> 2) % width) * 2 >= width)]++;
            }
            return halves[0] > 0 && halves;
        }""")
        left, right = await halves.json_value()
        assert left > 20 * right > 0


@pytest.mark.parametrize("label", long_except_first(["WAV", "FLAC", "MP3", "Opus"], 2))
async def test_a_recording_can_be_downloaded_in_each_format(
    browser: PageBrowser, service: Service, tmp_path: Path, label: str
) -> None:
    session_id = await service.record(speech(), sample_rate=22050)
    async with browser.open_page(f"{service.url}/") as tab:
        await card(tab.page).get_by_text("Download").click()
        async with tab.page.expect_download() as download:
            await card(tab.page).get_by_role("button", name=label).click()
        file = await download.value
        name = rf"recording-\d{{4}}-\d\d-\d\d-\d{{6}}Z\.{label.lower()}"
        assert re.fullmatch(name, file.suggested_filename)
        await file.save_as(tmp_path / "file")
    found = (tmp_path / "file").read_bytes()
    if label == "WAV":
        assert found == service.wav(session_id).read_bytes()
    elif label == "FLAC":
        assert decode(found, sample_rate=22050) == service.pcm(session_id)
    else:
        seconds = len(decode(found, sample_rate=48000)) / 96000
        assert abs(seconds - SPEECH_SECONDS) < 0.1


async def test_a_recording_is_deleted_only_after_confirmation(
    browser: PageBrowser, service: Service
) -> None:
    session_id = await service.record(speech(), sample_rate=22050)
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        delete = card(page).get_by_role("button", name="Delete")
        await delete.click()
        await page.get_by_role("button", name="Cancel").click()
        await expect(page.get_by_role("dialog")).to_have_count(0)
        assert service.get(f"/api/audio/sessions/{session_id}").status_code == 200
        await delete.click()
        await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        await page.get_by_text("No recordings yet").wait_for()
    assert service.get(f"/api/audio/sessions/{session_id}").status_code == 404
    assert not service.wav(session_id).exists()


async def test_a_recording_that_leaves_the_list_before_its_deletion_is_answered_is_no_error(
    browser: PageBrowser, service: Service
) -> None:
    await service.record(pcm(10))
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page

        async def delay_deletion(route: Route) -> None:
            answer = await route.fetch()
            if route.request.method == "DELETE":
                await page.get_by_text("No recordings yet").wait_for()
            await route.fulfill(response=answer)

        await page.route("**/api/audio/sessions/*", delay_deletion)
        await card(page).get_by_role("button", name="Delete").click()
        async with page.expect_response(lambda answer: answer.request.method == "DELETE"):
            await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        await page.evaluate("fetch('health')")  # answered after the page has seen the deletion
        await expect(page.locator("#notices")).to_be_empty()


async def scroll_to_end(page: Page, *, rows: int) -> None:
    """Scroll until the list has all its rows and the last one is filled."""
    await eventually(
        lambda: page.evaluate("""() => {
            scrollTo(0, document.body.scrollHeight);
            const all = document.querySelectorAll('#list > li');
            return [all.length, all[all.length - 1].querySelector('.actions') !== null];
        }"""),
        lambda found: found == [rows, True],
        awaiting=f"{rows} rows",
    )


async def test_a_long_list_is_filled_as_it_comes_into_view_with_one_request_a_page(
    browser: PageBrowser, service: Service
) -> None:
    """Of 120 recordings only those near the view have controls; the filter starts again."""
    made = [await service.record(pcm(10)) for _ in range(120)]
    async with service.session(), browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        rows, filled = page.locator("#list > li"), page.locator("#list > li .actions")
        pages: list[str] = []
        page.on("request", lambda sent: pages.append(sent.url) if "cursor=" in sent.url else None)
        await expect(rows.first).to_contain_text("Being recorded")
        assert await filled.count() < 50
        await scroll_to_end(page, rows=121)
        await expect(rows.first.locator(".actions")).to_have_count(0)
        await expect(rows.first).to_contain_text("kHz")  # the browser's search finds it
        assert await filled.count() < 50
        assert len(pages) == 2
        await page.get_by_label("Show").select_option("Being recorded")
        await expect(rows).to_have_count(1)
        await page.get_by_label("Show").select_option("Finished")
        await card(page).get_by_text("Download").click()
        await card(page).get_by_role("button", name="Copy").click()
        await eventually(
            lambda: page.evaluate("navigator.clipboard.readText()"),
            lambda text: text == made[-1],
            awaiting="the session id in the clipboard",
        )


async def test_sessions_below_the_first_page_can_be_finished_and_deleted(
    browser: PageBrowser, service: Service
) -> None:
    async with service.session() as client:
        await client.socket.send(pcm(10))
        await client.receive()
        for _ in range(50):
            await service.record(pcm(10))
        async with browser.open_page(f"{service.url}/") as tab:
            page = tab.page
            rows = page.locator("#list > li")
            await expect(rows).to_have_count(50)
            await scroll_to_end(page, rows=51)
            await rows.last.get_by_role("button", name="Finish").focus()
            await page.keyboard.press("Enter")
            await page.get_by_role("dialog").get_by_role("button", name="Finish").click()
            play = rows.last.get_by_role("button", name="Play")
            await expect(play).to_be_focused()
            await rows.last.get_by_role("button", name="Delete").click()
            await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
            await expect(rows).to_have_count(50)
            await expect(page.locator("#recordings")).to_be_focused()
    assert service.get(f"/api/audio/sessions/{client.session_id}").status_code == 404


async def test_no_session_is_missing_after_more_than_a_page_of_new_ones(
    browser: PageBrowser, service: Service
) -> None:
    await service.record(pcm(10))
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        rows = page.locator("#list > li")
        await expect(rows).to_have_count(1)
        await page.route("**/api/audio/sessions?*", lambda route: route.fulfill(status=502))
        await page.get_by_text("does not answer").wait_for()
        for _ in range(55):
            await service.record(pcm(10))
        await page.unroute("**/api/audio/sessions?*")
        await expect(rows).to_have_count(50)
        await expect(page.get_by_text("does not answer")).to_be_hidden()
        await scroll_to_end(page, rows=56)


async def test_several_recordings_are_selected_and_deleted(
    browser: PageBrowser, service: Service
) -> None:
    made = [await service.record(pcm(10)) for _ in range(3)]
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        await card(page, 0).get_by_role("checkbox").check()
        await card(page, 2).get_by_role("checkbox").check()
        await page.get_by_text("2 selected").wait_for()
        await page.get_by_role("button", name="Delete selected").click()
        dialog = page.get_by_role("dialog", name="Delete 2 recordings?")
        await dialog.get_by_role("button", name="Delete").click()
        await expect(page.locator("#list > li")).to_have_count(1)
        await expect(page.locator("#selection")).to_be_hidden()
    (left,) = service.get("/api/audio/sessions").json()["sessions"]
    assert left["session_id"] == made[1]


async def test_a_session_of_another_client_can_be_watched_and_finished(
    browser: PageBrowser, service: Service
) -> None:
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        await page.get_by_text("No recordings yet").wait_for()
        async with service.session(sample_rate=22050) as client:
            session_id = client.session_id
            await card(page).get_by_text("Being recorded").wait_for()
            await card(page).get_by_role("button", name="Watch").click()
            await card(page).get_by_text("Live", exact=True).wait_for()
            await expect(card(page).get_by_text("Stop watching")).to_be_visible()
            live = card(page).locator("canvas.live")
            before = await live.screenshot()
            await client.socket.send(speech())
            await client.receive()
            await eventually(
                lambda: changed(live, before), awaiting="another picture of the waveform"
            )
            await card(page).get_by_role("button", name="Listen").click()
            await card(page).get_by_role("button", name="Mute").click()
            await card(page).get_by_role("button", name="Listen").wait_for()
            # The monitor reconnects after a restart of the service.
            service.kill()
            await card(page).get_by_text("Connection lost").wait_for()
            await asyncio.to_thread(service.start)
            await card(page).get_by_text("Live", exact=True).wait_for()
        await card(page).get_by_role("button", name="Finish").click()
        await page.get_by_role("dialog").get_by_role("button", name="Finish").click()
        await card(page).get_by_role("button", name="Play").wait_for()
    assert service.manifest(session_id)["status"] == "completed"
    assert service.pcm(session_id) == decode(speech(), sample_rate=22050)


async def test_a_recording_can_be_watched_from_another_tab(
    browser: PageBrowser, service: Service
) -> None:
    context = await browser.new_context()
    async with (
        browser.open_tab(context, f"{service.url}/") as recording,
        browser.open_tab(context, f"{service.url}/") as watching,
    ):
        await recording.start_recording()
        await card(watching.page).get_by_role("button", name="Watch").click()
        await card(watching.page).get_by_text("Live", exact=True).wait_for()
        await recording.page.bring_to_front()
        await recording.stop_recording()
        await watching.page.bring_to_front()
        await card(watching.page).get_by_role("button", name="Play").wait_for()
    await context.close()
