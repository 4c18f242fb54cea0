"""How smoothly the page scrolls through a list of recordings, in Chromium without a display.

Number: recordings. A late frame shows as a long gap; a task of more than 50 ms delays input.
"""

import asyncio
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.audio import wav
from tests.service import Service
from tests.web.browser import launch_browser
from tests.web.stored_sessions import store_sessions

_SCROLL = """async (many) => {
    const list = document.querySelector('#list');
    const tasks = [];
    new PerformanceObserver((found) => {
        for (const { duration } of found.getEntries()) tasks.push(duration);
    }).observe({ type: 'longtask' });
    const gaps = [];
    let last = await new Promise(requestAnimationFrame);
    const isAtEnd = () => scrollY + innerHeight > document.body.scrollHeight - 2;
    while (list.children.length < many || !isAtEnd()) {
        scrollBy(0, 150);
        const now = await new Promise(requestAnimationFrame);
        gaps.push(now - last);
        last = now;
    }
    gaps.sort((one, other) => one - other);
    const at = (share) => gaps[Math.floor(share * (gaps.length - 1))];
    return { frames: gaps.length, median: at(0.5), p95: at(0.95), p99: at(0.99), tasks };
}"""


def main(recordings: int = 2000) -> None:
    asyncio.run(_main(recordings))


async def _main(recordings: int) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    stored = [(begin + timedelta(minutes=number), f"No. {number}") for number in range(recordings)]
    with tempfile.TemporaryDirectory() as folder:
        store_sessions(Path(folder) / "sessions", stored)
        microphone = Path(folder) / "microphone.wav"
        microphone.write_bytes(wav(bytes(8)))
        service = Service(Path(folder) / "sessions").start()
        try:
            async with (
                launch_browser(microphone) as browser,
                browser.open_page(f"{service.url}/") as tab,
            ):
                requests: list[str] = []
                tab.page.on("request", lambda sent: requests.append(sent.url))
                await tab.page.locator("#list > li").first.wait_for()
                found = await tab.page.evaluate(_SCROLL, recordings)
        finally:
            service.stop()
    pages = sum("cursor=" in url for url in requests)
    waveforms = sum("/waveform" in url for url in requests)
    print(f"{found['frames']} frames: median {found['median']:.1f} ms, p95 {found['p95']:.1f} ms, "
          f"p99 {found['p99']:.1f} ms")  # fmt: skip
    print(f"{len(found['tasks'])} tasks above 50 ms, the longest "
          f"{max(found['tasks'], default=0):.0f} ms")  # fmt: skip
    print(f"{pages} requests for pages, {waveforms} for waveforms")
