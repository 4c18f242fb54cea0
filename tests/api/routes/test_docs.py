"""The documentation pages."""

import pytest

from tests.service import Service


@pytest.mark.parametrize(("path", "text"), [("/docs", "swagger"), ("/redoc", "redoc")])
def test_the_documentation_pages_are_served(service: Service, path: str, text: str) -> None:
    page = service.get(path)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert text in page.text.lower()
