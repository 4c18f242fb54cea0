"""The page of nodes that share a bucket."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from tests.service import Service
from tests.web.browser import Visitor


async def test_a_recording_is_played_here_and_downloaded_from_the_store(
    person: Visitor,
    on_bucket: Callable[..., Service],
    objects: Callable[[], dict[str, bytes]],
    seaweedfs_url: str,
    tmp_path: Path,
) -> None:
    service = on_bucket(segment_seconds=1)
    async with person.visit(f"{service.url}/") as visit:
        page = visit.page
        await visit.begin()
        await visit.until("document.querySelector('[data-part=safe]').textContent > '0:01'")
        await visit.end()
        await page.get_by_role("button", name="Play").click()
        await page.get_by_role("button", name="Pause").wait_for()
        await page.locator(".wave canvas").first.wait_for()
        await page.get_by_text("Download", exact=True).click()
        async with page.expect_download() as download:
            await page.get_by_role("button", name="WAV").click()
        file = await download.value
        assert urlsplit(file.url).netloc == urlsplit(seaweedfs_url).netloc
        await file.save_as(tmp_path / "file.wav")
    (wav,) = [body for key, body in objects().items() if key.endswith(".wav")]
    assert (tmp_path / "file.wav").read_bytes() == wav
    assert wav[80:] == b"".join(visit.handed_over)


async def test_a_recording_goes_on_at_another_node_when_its_own_dies(
    person: Visitor, on_bucket: Callable[..., Service], objects: Callable[[], dict[str, bytes]]
) -> None:
    first = on_bucket(segment_seconds=1)
    async with person.visit(f"{first.url}/") as visit:
        await visit.begin()
        await visit.until("document.querySelector('[data-part=safe]').textContent > '0:01'")
        port = first.port
        first.kill()
        second = on_bucket(segment_seconds=1)  # has nothing of the first but the bucket
        await visit.state("Connection lost")
        second.stop()
        second.port = port  # where a load balancer would lead
        await asyncio.to_thread(second.start)
        await visit.state("Recording")
        await visit.end()
    (wav,) = [body for key, body in objects().items() if key.endswith(".wav")]
    assert wav[80:] == b"".join(visit.handed_over)
