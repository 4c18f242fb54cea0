"""The page in WebKitGTK: it records, plays and renames."""

from pathlib import Path

import pytest

from tests.service import Service
from tests.web.webkit import open_webkit

pytestmark = pytest.mark.long

STATE = "document.querySelector('#recorder [data-part=state]').textContent"
BUTTON = "#recorder [data-part=button]"


async def test_webkit_records_plays_and_renames(service: Service, tmp_path: Path) -> None:
    async with open_webkit(tmp_path) as page:
        page.goto(f"{service.url}/")
        await page.until("document.querySelector('#empty')?.checkVisibility()")
        page.click(BUTTON)
        await page.until(f"{STATE} === 'Recording'")
        await page.until("document.querySelector('[data-part=safe]').textContent >= '0:01.0'")
        page.click(BUTTON)
        await page.until(f"{STATE}.startsWith('Saved')")
        await page.until("document.querySelector('#list [data-part=player]')?.checkVisibility()")
        page.click("#list [data-part=play]")
        await page.until("document.querySelector('#list [data-part=seek]').value > 0.3")
        page.click("#list [data-part=rename]")
        page.evaluate("document.querySelector('#list [data-part=titleText]').value = 'Talk'")
        page.click("#list .rename .primary")
        await page.until("document.querySelector('#list h3').textContent === 'Talk'")
    (session,) = service.get("/api/audio/sessions").json()["sessions"]
    assert (session["title"], session["status"]) == ("Talk", "completed")
    samples = service.pcm(session["session_id"])
    assert max(samples) > 0
    assert len(samples) > session["sample_rate"] * 2
