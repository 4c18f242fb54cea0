"""Errors of the framework have the documented shape."""

import pytest
import requests

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


@pytest.mark.parametrize(
    ("method", "path", "body", "valid_values"),
    [
        ("GET", "?status=ended", None, ["active", "completed"]),
        ("GET", "?limit=many", None, None),
        ("GET", "/{id}/audio?format=aac", None, ["wav", "mp3", "flac", "opus"]),
        ("POST", "/{id}/links", {"format": "aac"}, ["wav", "mp3", "flac", "opus"]),
        ("POST", "/{id}/links", {"start": "soon"}, None),
        ("POST", "/{id}/tokens", {"scope": "admin"}, ["record", "read"]),
    ],
    ids=["status", "limit", "audio", "link", "start", "scope"],
)
def test_a_refused_choice_is_answered_with_the_valid_ones(
    service: Service, method: str, path: str, body: object, valid_values: list[str] | None
) -> None:
    session_id = service.post("/api/audio/sessions").json()["session_id"]
    url = f"{service.url}/api/audio/sessions{path.format(id=session_id)}"
    answer = requests.request(method, url, json=body, timeout=30)
    assert answer.status_code == 422
    assert answer.json().get("valid_values") == valid_values
