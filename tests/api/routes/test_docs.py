"""The documentation pages."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from litestar.testing import TestClient

from api.app import create_app
from api.settings import Settings
from tests.service import Service


@pytest.mark.parametrize(("path", "text"), [("/docs", "swagger"), ("/redoc", "redoc")])
def test_the_documentation_pages_are_served(service: Service, path: str, text: str) -> None:
    page = service.get(path)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert text in page.text.lower()


def test_no_request_makes_the_document_anew(tmp_path: Path) -> None:
    app = create_app(Settings(audio_storage_path=str(tmp_path)))
    app.openapi_schema.info.title = "made for a request"
    client = TestClient(app, base_url="http://127.0.0.1")
    for path in ("/openapi.json", "/redoc"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "SercueScribe" in answer.text
        assert "made for a request" not in answer.text


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_under_the_path_of_public_url_every_part_of_a_page_is_found(
    start_service: Callable[..., Service], path: str
) -> None:
    """A proxy in front removes the path."""
    service = start_service(public_url="https://example.org/rec/")
    page = service.get(path).text
    parts = re.findall(r"""(?:src|href)=["']([^"']+)["']""", page)
    linked = re.findall(r"\[[^\]]+\]\(([^)]+)\)", page)  # Markdown in the document
    assert len(parts) >= 2
    assert len(linked) == 2
    for url in (*parts, *linked):
        assert url.startswith("/rec/")
        assert service.get(url.removeprefix("/rec")).status_code == 200
    assert service.get("/openapi.json").json()["servers"] == [{"url": "/rec"}]
