"""The page of services that share a bucket."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from tests.service import Service
from tests.web.browser import PageBrowser


def is_audio(key: str) -> bool:
    """Return whether it is finished audio; segments go a moment later."""
    return key.endswith(".wav") and "/" not in key


async def test_a_recording_is_played_by_the_page_and_downloaded_from_the_store(
    browser: PageBrowser,
    on_bucket: Callable[..., Service],
    objects: Callable[[], dict[str, bytes]],
    seaweedfs_url: str,
    tmp_path: Path,
) -> None:
    service = on_bucket(segment_seconds=1)
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        await tab.start_recording()
        await tab.wait_until("document.querySelector('[data-part=safe]').textContent > '0:01'")
        await tab.stop_recording()
        await page.get_by_role("button", name="Play").click()
        await page.get_by_role("button", name="Pause").wait_for()
        await page.locator(".wave canvas").first.wait_for()
        await page.get_by_text("Download", exact=True).click()
        async with page.expect_download() as download:
            await page.get_by_role("button", name="WAV").click()
        file = await download.value
        assert urlsplit(file.url).netloc == urlsplit(seaweedfs_url).netloc
        await file.save_as(tmp_path / "file.wav")
    (wav,) = [body for key, body in objects().items() if is_audio(key)]
    assert (tmp_path / "file.wav").read_bytes() == wav
    assert wav[80:] == b"".join(tab.delivered_chunks)


async def test_a_recording_continues_on_another_node_after_its_node_died(
    browser: PageBrowser, on_bucket: Callable[..., Service], objects: Callable[[], dict[str, bytes]]
) -> None:
    first = on_bucket(segment_seconds=1, lease_seconds=2)
    async with browser.open_page(f"{first.url}/") as tab:
        await tab.start_recording()
        await tab.wait_until("document.querySelector('[data-part=safe]').textContent > '0:01'")
        port = first.port
        first.kill()
        # It shares only the bucket with the first.
        second = on_bucket(segment_seconds=1, lease_seconds=2)
        await tab.wait_for_state("Connection lost")
        second.stop()
        second.port = port  # the address, as behind a load balancer
        await asyncio.to_thread(second.start)
        await tab.wait_for_state("Recording")
        # Stored by the second one: without a connection, a stop leaves the rest for later.
        await tab.wait_until("document.querySelector('[data-part=safe]').textContent > '0:03'")
        await tab.stop_recording()
    (wav,) = [body for key, body in objects().items() if is_audio(key)]
    assert wav[80:] == b"".join(tab.delivered_chunks)
