"""The uvicorn server of the service."""

import pytest

from api.server.process import _page_url


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000/"),
        ("rec.example", "http://rec.example:8000/"),
        ("0.0.0.0", "http://127.0.0.1:8000/"),
        ("::", "http://[::1]:8000/"),
        ("2001:db8::1", "http://[2001:db8::1]:8000/"),
    ],
)
def test_a_browser_on_this_machine_can_open_the_url_of_the_page(host: str, url: str) -> None:
    assert _page_url(host, 8000) == url
