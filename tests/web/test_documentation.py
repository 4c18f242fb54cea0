"""The documentation pages, and the page without the third-party scripts."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from playwright.async_api import expect

from tests.audio import speech
from tests.service import Service
from tests.web.browser import PageBrowser

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("path", ["/docs", pytest.param("/redoc", marks=pytest.mark.long)])
async def test_the_documentation_loads_from_the_service_only(
    browser: PageBrowser, start_service: Callable[..., Service], path: str
) -> None:
    service = start_service()
    async with browser.open_page(service.url + path) as tab:
        operation = tab.page.get_by_text("Get a session")
        await expect(operation.last).to_be_visible()


@pytest.fixture
def service_without_assets(tmp_path: Path) -> Iterator[Service]:
    """A service from a checkout without ``make assets``."""
    tree = tmp_path / "checkout"
    for name in ("api", "storage", "web", "clients"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("vendor"))
    service = Service(tmp_path / "recordings", pythonsafepath=1, pythonpath=tree)
    service.program = ("tests.fresh_process", *service.program)
    yield service.start()
    service.kill()


async def test_without_third_party_scripts_the_page_records_and_plays(
    browser: PageBrowser, service_without_assets: Service
) -> None:
    await service_without_assets.record(speech(), sample_rate=22050)
    async with browser.open_page(f"{service_without_assets.url}/") as tab:
        page = tab.page
        await tab.start_recording()
        await tab.stop_recording()
        await expect(page.locator("#list > li")).to_have_count(2)
        await page.locator(".wave > canvas").first.wait_for()
        await page.get_by_role("button", name="Play").last.click()
        await page.get_by_role("button", name="Pause").wait_for()
        assert tab.missing == []


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_without_third_party_scripts_the_documentation_uses_a_cdn(
    service_without_assets: Service, path: str
) -> None:
    answer = service_without_assets.get(path)
    hosts = set(re.findall(r'(?:src|href)="(https://[^/"]+)', answer.text))
    assert len(hosts) == 1
    assert hosts.pop() in answer.headers["content-security-policy"]


async def test_a_search_in_the_manual_finds_pages_without_another_host(
    browser: PageBrowser, service: Service
) -> None:
    async with browser.open_page(f"{service.url}/manual/docs/index.html") as tab:
        await tab.page.get_by_placeholder("Search").fill("lifecycle rules")
        await tab.page.keyboard.press("Enter")
        await expect(tab.page.locator("ul.search")).to_contain_text("bucket")
        await tab.page.locator("ul.search li a").first.click()
        await tab.page.wait_for_url(f"{service.url}/manual/**")
        await expect(tab.page.locator("article h1")).to_be_visible()


async def test_the_search_of_the_manual_answers_operators_first(
    browser: PageBrowser, service: Service
) -> None:
    """Not with a record of a decision or the changelog, which have most of the words, too."""
    questions = {
        "enable https tls": "Run behind a proxy",
        "rate limit too many requests": "Find what is wrong",
        "delete old recordings retention": "Operations",
        "pause recording": "The page",
    }
    async with browser.open_page(f"{service.url}/manual/search.html") as tab:
        for question, answer in questions.items():
            await tab.page.goto(f"{service.url}/manual/search.html?q={quote_plus(question)}")
            hits = tab.page.locator("#search-results ul.search > li > a")
            await tab.page.get_by_text("Search finished").wait_for()
            first = await hits.all_inner_texts()
            assert any(answer in hit for hit in first[:3]), (question, first[:3])
