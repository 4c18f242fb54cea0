"""The example page in Chromium."""

import re
from collections.abc import AsyncIterator, Callable, Iterator

import numpy as np
import pytest

from api.access.api_keys import key_line, new_key
from tests.audio import pcm, wav
from tests.clients.js.page_server import PageServer, page_server
from tests.clients.js.runtimes import Chromium, Page, chromium
from tests.eventually import eventually
from tests.examples.program import EXAMPLES
from tests.service import Service

SAMPLE_RATE = 44100
LEAST_SECONDS = 0.5
PATH = "/browser.html"


@pytest.fixture(scope="module")
def site() -> Iterator[PageServer]:
    with page_server() as site:
        yield site


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """A browser whose microphone plays loud noise."""
    audio = wav(pcm(SAMPLE_RATE * 30), sample_rate=SAMPLE_RATE)
    with chromium(tmp_path_factory.mktemp("chromium"), audio) as browser:
        yield browser


@pytest.fixture
async def page(browser: Chromium) -> AsyncIterator[Page]:
    async with browser.page() as page:
        yield page


async def open_example(page: Page, site: PageServer, service: Service, fragment: str = "") -> None:
    text = (EXAMPLES / "browser.html").read_text()
    site.contents[PATH] = ("text/html", text.replace("http://localhost:8000", service.url))
    await page.open(f"{site.origin}{PATH}{fragment}")


async def wait_until(page: Page, condition: str) -> None:
    expression = f"Boolean((($) => {condition})((id) => document.getElementById(id)))"
    await eventually(
        lambda: page.evaluate_expression(expression), awaiting=condition, timeout_seconds=60
    )


async def element_text(page: Page, element: str) -> str:
    return str(await page.evaluate_expression(f"document.getElementById('{element}').textContent"))


async def click(page: Page, button: str) -> None:
    await wait_until(page, f"$('{button}') && !$('{button}').disabled")
    await page.evaluate_expression(f"document.getElementById('{button}').click()")


async def start_recording(page: Page) -> None:
    await click(page, "start")
    await wait_until(page, "$('state').textContent === 'live' && !$('stop').disabled")
    await wait_until(page, "/[1-9]\\d* of them persisted/.test($('progress').textContent)")
    await wait_until(page, f"parseFloat($('progress').textContent) > {LEAST_SECONDS}")


async def wait_until_playable(page: Page) -> None:
    await wait_until(page, f"$('recording').duration > {LEAST_SECONDS}")


def only_session(service: Service) -> str:
    (session,) = service.get("/api/audio/sessions").json()["sessions"]
    return str(session["session_id"])


def assert_recorded(service: Service, session_id: str) -> None:
    manifest = service.manifest(session_id)
    assert (manifest["status"], manifest["error"]) == ("completed", None)
    assert np.abs(np.frombuffer(service.pcm(session_id), "<i2").astype(int)).max() > 3000


@pytest.mark.parametrize("source", ["microphone", "recorder"])
async def test_each_source_is_recorded_and_played(
    page: Page, site: PageServer, start_service: Callable[..., Service], source: str
) -> None:
    service = start_service(allowed_origins=site.origin, sync_interval_seconds=0.2)
    await open_example(page, site, service)
    await page.evaluate_expression(f"document.getElementById('source').value = '{source}'")
    await start_recording(page)
    if source == "microphone":
        await wait_until(page, "$('level').value > 0.1")
    await click(page, "stop")
    await wait_until_playable(page)
    assert await element_text(page, "state") == "completed"
    found = re.fullmatch(
        r"([\d.]+) s\. (\d+) chunks received, (\d+) of them persisted\.",
        await element_text(page, "progress"),
    )
    assert found is not None
    assert int(found[2]) == int(found[3]) > 0
    assert_recorded(service, only_session(service))


@pytest.fixture
def backend_session(
    site: PageServer, start_service: Callable[..., Service]
) -> tuple[Service, str, str]:
    """A service with authentication, a session that a backend created, and its token."""
    key = new_key()
    service = start_service(
        auth_mode="api_key",
        api_keys=key_line(key, "backend", ["record", "read"]),
        allowed_origins=site.origin,
        sync_interval_seconds=0.2,
    )
    made = service.post("/api/audio/sessions", headers={"X-API-Key": key}).json()
    return service, made["session_id"], made["token"]


async def test_a_token_from_a_backend_records_into_its_session(
    page: Page, site: PageServer, backend_session: tuple[Service, str, str]
) -> None:
    service, session_id, token = backend_session
    await open_example(page, site, service, f"#session={session_id}&token={token}")
    await start_recording(page)
    await click(page, "stop")
    await wait_until_playable(page)
    assert_recorded(service, session_id)
    assert await page.evaluate_expression("document.getElementById('start').disabled")


async def test_a_page_reloaded_while_recording_finishes_the_recording(
    page: Page, site: PageServer, backend_session: tuple[Service, str, str]
) -> None:
    service, session_id, token = backend_session
    await open_example(page, site, service, f"#session={session_id}&token={token}")
    await start_recording(page)
    acked = int((await element_text(page, "progress")).split()[2])
    await page.evaluate_expression("globalThis.isOld = true")
    await page.call("Page.reload")
    await wait_until(page, "!globalThis.isOld && $('recording')")
    await wait_until_playable(page)
    assert await element_text(page, "state") == "the recording of an earlier visit is completed"
    assert service.manifest(session_id)["chunk_count"] >= acked > 0
    assert_recorded(service, session_id)


async def test_a_page_without_a_token_shows_the_error(
    page: Page, site: PageServer, backend_session: tuple[Service, str, str]
) -> None:
    service, session_id, _ = backend_session
    await open_example(page, site, service, f"#session={session_id}")
    await click(page, "start")
    await wait_until(page, "$('state').textContent.startsWith('authentication_required: ')")
