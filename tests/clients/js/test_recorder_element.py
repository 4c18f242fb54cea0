"""``<sercuescribe-recorder>`` in Chromium: the page of the README."""

import re
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from tests.audio import pcm, wav
from tests.clients.js.page_server import PageServer, page_server
from tests.clients.js.runtimes import CLIENT, Chromium, Page, chromium
from tests.eventually import eventually
from tests.service import Service

ELEMENT = "document.querySelector('sercuescribe-recorder')"
BUTTON = f"{ELEMENT}.shadowRoot.querySelector('button')"


@pytest.fixture(scope="module")
def site() -> Iterator[PageServer]:
    with page_server() as site:
        yield site


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    audio = wav(pcm(44100 * 20), sample_rate=44100)
    with chromium(tmp_path_factory.mktemp("chromium"), audio) as browser:
        yield browser


@pytest.fixture
async def page(browser: Chromium) -> AsyncIterator[Page]:
    async with browser.page() as page:
        yield page


async def wait_until(page: Page, condition: str) -> None:
    await eventually(
        lambda: page.evaluate_expression(f"Boolean({condition})"),
        awaiting=condition,
        timeout_seconds=60,
    )


async def test_the_button_records_and_the_page_gets_the_session(
    page: Page, site: PageServer, start_service: Callable[..., Service]
) -> None:
    service = start_service(allowed_origins=site.origin)
    readme = (CLIENT / "README.md").read_text()
    blocks: list[str] = re.findall(r"```html\n(.*?)```", readme, re.DOTALL)
    (text,) = [block for block in blocks if "<sercuescribe-recorder" in block]
    text = text.replace("http://localhost:8000", service.url)
    text = text.replace("console.log(detail.session_id)", "{ window.recorded = detail; }")
    site.contents["/element.html"] = ("text/html", text)
    await page.open(f"{site.origin}/element.html")
    await wait_until(page, f"{ELEMENT}.start && {BUTTON}.textContent === 'Record'")
    await page.evaluate_expression(f"{BUTTON}.click()")
    await wait_until(page, f"{ELEMENT}.client?.state === 'live'")
    await wait_until(page, f"{ELEMENT}.shadowRoot.querySelector('meter').value > 0")
    assert await page.evaluate_expression(f"{BUTTON}.textContent") == "Stop"
    await page.evaluate_expression(f"{BUTTON}.click()")
    await wait_until(page, "window.recorded")
    session_id = await page.evaluate_expression("recorded.session_id")
    manifest = service.manifest(session_id)
    assert (manifest["status"], manifest["title"]) == ("completed", "Interview")
    assert service.pcm(session_id)
    assert await page.evaluate_expression(f"{BUTTON}.textContent") == "Record"


async def test_an_element_that_is_removed_finishes_its_recording(
    page: Page, site: PageServer, start_service: Callable[..., Service]
) -> None:
    service = start_service(allowed_origins=site.origin)
    script = f'<script type="module" src="{service.url}/client/recorder-element.js"></script>'
    site.contents["/remove.html"] = ("text/html", f"{script}<sercuescribe-recorder>")
    await page.open(f"{site.origin}/remove.html")
    await wait_until(page, f"{ELEMENT}.start")
    await page.evaluate_expression(f"window.element = {ELEMENT}; element.start()")
    await wait_until(page, "element.client?.state === 'live'")
    await page.evaluate_expression("window.client = element.client; element.remove()")
    await wait_until(page, "client.state === 'completed' && !element.isRecording")
