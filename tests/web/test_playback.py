"""Playing a recording: keys, speed, zoom, shortcuts, and the size of a waveform."""

from collections.abc import Callable

import pytest
from playwright.async_api import Locator, expect

from tests.audio import pcm
from tests.eventually import eventually
from tests.service import Service
from tests.web.browser import PageBrowser

SECONDS = 100


@pytest.fixture
async def service(start_service: Callable[..., Service]) -> Service:
    service = start_service()
    await service.record(pcm(8000) * SECONDS, sample_rate=8000)
    return service


async def until_position(slider: Locator, seconds: float) -> None:
    await eventually(
        slider.input_value,
        lambda value: abs(float(value) - seconds) < 0.05,
        awaiting=f"the position {seconds}",
    )


async def test_keys_in_the_waveform_seek_in_useful_steps_and_play(
    browser: PageBrowser, service: Service
) -> None:
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        slider = page.get_by_role("slider")
        await slider.focus()
        position = 0.0
        for key, seconds in (
            ("ArrowRight", 5), ("PageUp", 30), ("ArrowUp", 5), ("ArrowLeft", -5),
            ("PageDown", -30), ("End", SECONDS), ("Home", -SECONDS),
        ):  # fmt: skip
            await page.keyboard.press(key)
            position = min(SECONDS, max(0, position + seconds))
            await until_position(slider, position)
        await page.keyboard.press("Space")
        await page.get_by_role("button", name="Pause").wait_for()
        await page.keyboard.press("Space")
        await page.get_by_role("button", name="Play").wait_for()


async def test_shortcuts_play_skip_change_the_speed_and_can_be_switched_off(
    browser: PageBrowser, service: Service
) -> None:
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        slider, speed = page.get_by_role("slider"), page.get_by_label("Speed")
        await slider.wait_for()
        await page.keyboard.press("l")
        await until_position(slider, 10)
        await page.keyboard.press("l")
        await page.keyboard.press("j")
        await until_position(slider, 10)
        await page.keyboard.press(">")
        await expect(speed).to_have_value("1.25")
        await page.keyboard.press("?")
        await page.get_by_role("dialog", name="Keyboard shortcuts").wait_for()
        await page.get_by_label("Use keyboard shortcuts").uncheck()
        await page.keyboard.press("Escape")
        await page.keyboard.press("l")
        await page.get_by_role("button", name="Forward 10 s").click()
        await until_position(slider, 20)  # the key had no effect
        await page.get_by_role("button", name="Play").click()
        await page.get_by_role("button", name="Pause").click()
        await speed.select_option("2")


async def test_the_waveform_zooms_around_the_position_and_follows_it(
    browser: PageBrowser, service: Service
) -> None:
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        sizes: list[int] = []

        async def measure(answer: object) -> None:
            if "/waveform" in answer.url:  # type: ignore[attr-defined]
                sizes.append(len(await answer.body()))  # type: ignore[attr-defined]

        page.on("response", measure)
        slider = page.get_by_role("slider")
        await slider.focus()
        await page.keyboard.press("End")
        await page.get_by_role("button", name="Zoom in").click()
        await expect(slider).to_have_attribute("min", f"{SECONDS / 2:g}")
        await page.get_by_role("button", name="Zoom in").click()
        await expect(slider).to_have_attribute("min", f"{SECONDS * 3 / 4:g}")
        await slider.focus()
        await page.keyboard.press("Home")
        await expect(slider).to_have_attribute("min", "0")
        await expect(slider).to_have_attribute("max", f"{SECONDS / 4:g}")
        await page.get_by_role("button", name="Zoom out").click()
        await page.get_by_role("button", name="Zoom out").click()
        await expect(slider).to_have_attribute("max", str(SECONDS))
        await eventually(lambda: len(sizes), lambda found: found >= 4, awaiting="four answers")
        assert max(sizes) < 200_000
