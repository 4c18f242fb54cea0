"""Errors of the framework have the documented shape."""

import pytest

from tests.service import Service


@pytest.mark.parametrize("path", ["/nope", "/api/nope", "/api/audio/sessions/x/y/z"])
def test_an_unknown_path_gets_404_in_the_documented_shape(service: Service, path: str) -> None:
    answer = service.get(path)
    assert answer.status_code == 404
    assert answer.json() == {"error": "Not Found", "code": "not_found"}


def test_a_wrong_method_gets_405_in_the_documented_shape(service: Service) -> None:
    answer = service.delete("/health")
    assert answer.status_code == 405
    assert answer.json()["code"] == "method_not_allowed"
