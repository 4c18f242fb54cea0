"""OPTIONS requests, and the Allow header of refused methods."""

import pytest
import requests

from tests.service import Service


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/health", {"GET", "HEAD"}),
        ("/api/audio/sessions", {"GET", "HEAD", "POST"}),
        ("/api/audio/sessions/x", {"DELETE", "GET", "HEAD", "PATCH"}),
        ("/api/audio/sessions/x/audio", {"GET", "HEAD"}),
    ],
)
def test_options_lists_all_methods_of_a_path(
    service: Service, path: str, methods: set[str]
) -> None:
    answer = requests.options(service.url + path, timeout=10)
    assert (answer.status_code, answer.content) == (204, b"")
    assert set(answer.headers["allow"].split(", ")) == methods | {"OPTIONS"}
    refused = requests.put(service.url + path, timeout=10)
    assert set(refused.headers["allow"].split(", ")) == methods | {"OPTIONS"}
