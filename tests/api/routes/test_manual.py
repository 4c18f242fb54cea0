"""The manual is served with the service, and its pages need nothing of another host."""

import re
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

import pytest

from api.routes.manual import FOLDER
from tests.service import Service

pytestmark = pytest.mark.engine

LOADED = re.compile(r'<(?:script|img|link)\b[^>]*?\b(?:src|href)="([^"]+)"')
PAGES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.html"))


def loaded(page: str) -> Iterator[str]:
    """Yield the addresses of what a page loads."""
    for address in LOADED.findall((FOLDER / page).read_text()):
        yield urljoin(f"/manual/{page}", address)


def test_the_address_of_the_manual_leads_to_its_first_page(service: Service) -> None:
    answer = service.get("/manual")
    assert answer.url == f"{service.url}/manual/docs/index.html"
    assert "<h1>The SercueScribe manual" in answer.text
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


def test_pages_load_files_of_the_manual_only(service: Service) -> None:
    assert len(PAGES) > 90
    addresses = {address for page in PAGES for address in loaded(page)}
    assert {each for each in addresses if urlsplit(each).netloc} == set()
    missing = {each for each in addresses if not service.get(each).ok}
    assert missing == set()


@pytest.mark.parametrize(
    "path", ["docs/none.html", "../index.html", "%2e%2e/index.html", "docs", ".built/..", ""]
)
def test_nothing_else_is_served(service: Service, path: str) -> None:
    assert service.get(f"/manual/{path}").status_code in {400, 404}


def test_an_unchanged_file_is_not_sent_again(service: Service) -> None:
    path = "/manual/docs/index.html"
    etag = service.get(path).headers["ETag"]
    assert service.get(path, headers={"If-None-Match": etag}).status_code == 304


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("settings", "RETENTION_DAYS"),
        ("errors", "too_many_sessions"),
        ("errors", "No session has this id"),
        ("messages", "persisted_chunk_count"),
        ("http", "GET /api/audio/sessions/{session_id}/waveform"),
        ("command-line", "sercuescribe bucket init"),
        ("command-line", "sessions edit --no-hold"),
        ("python-client", "sercuescribe_client.Session.flush"),
        ("python-client", "The client without await"),
        ("python-client", ">sync</span></code> has the same"),
        ("javascript-client", "maxUnackedChunks"),
    ],
)
def test_the_reference_comes_from_the_code(page: str, text: str) -> None:
    html = (FOLDER / "docs" / "reference" / f"{page}.html").read_text()
    visible = re.sub(r"<[^>]+>", "", html)
    assert text in visible or text in html
