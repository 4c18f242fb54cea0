"""Health, documents, and errors that belong to no session."""

import shutil
from collections.abc import Callable

import jsonschema
import pytest
import requests
from openapi_spec_validator import validate

from api import __version__
from tests.service import Service


def test_health_says_that_the_process_answers(service: Service) -> None:
    answer = service.get("/health")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "version": __version__,
        "active_sessions": 0,
        "unpersisted_bytes": 0,
        "unpersisted_seconds": 0.0,
    }


def test_ready_says_that_storage_can_be_written(service: Service) -> None:
    answer = service.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ready"


def test_ready_fails_with_the_storage(start_service: Callable[..., Service]) -> None:
    service = start_service()
    shutil.rmtree(service.folder)
    answer = service.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json() == {"error": "The storage does not answer", "code": "storage_unavailable"}
    assert service.get("/health").status_code == 200


def test_the_openapi_document_is_valid_and_complete(service: Service) -> None:
    document = service.get("/openapi.json").json()
    validate(document)
    assert set(document["paths"]) == {
        "/api/audio/sessions",
        "/api/audio/sessions/{session_id}",
        "/api/audio/sessions/{session_id}/audio",
        "/api/audio/sessions/{session_id}/close",
        "/api/audio/sessions/{session_id}/download",
        "/api/audio/sessions/{session_id}/tokens",
        "/api/audio/sessions/{session_id}/waveform",
        "/health",
        "/health/ready",
    }


def test_every_operation_describes_its_errors_and_never_a_400(service: Service) -> None:
    document = service.get("/openapi.json").json()
    operations = [
        (path, operation) for path, item in document["paths"].items() for operation in item.values()
    ]
    for path, operation in operations:
        assert operation["summary"]
        assert "400" not in operation["responses"]
        if path.startswith("/api"):
            assert "500" in operation["responses"]
        if "{session_id}" in path:
            assert "404" in operation["responses"]
        for status, response in operation["responses"].items():
            if status >= "400":
                media = response["content"]["application/json"]
                assert media["schema"]["$ref"].endswith("ErrorBody")
                assert all(example["value"]["code"] for example in media["examples"].values())


def test_a_waveform_is_described_in_all_its_forms(service: Service) -> None:
    path = service.get("/openapi.json").json()["paths"]["/api/audio/sessions/{session_id}/waveform"]
    assert set(path["get"]["responses"]["200"]["content"]) == {
        "application/json",
        "application/octet-stream",
        "image/svg+xml",
        "image/png",
    }


def test_every_answer_has_an_example_that_fits_its_schema(service: Service) -> None:
    document = service.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    answers = {name: schema for name, schema in schemas.items() if name != "ErrorBody"}
    assert len(answers) >= 8
    for name, schema in answers.items():
        assert schema["examples"], name
        for example in schema["examples"]:
            jsonschema.validate(example, {**schema, "components": document["components"]})


@pytest.mark.parametrize(("path", "text"), [("/docs", "swagger"), ("/redoc", "redoc")])
def test_the_documentation_pages_are_there(service: Service, path: str, text: str) -> None:
    page = service.get(path)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert text in page.text.lower()


@pytest.mark.parametrize("path", ["/nope", "/api/nope", "/api/audio/sessions/x/y/z"])
def test_an_unknown_path_is_a_404_in_the_document_s_shape(service: Service, path: str) -> None:
    answer = service.get(path)
    assert answer.status_code == 404
    assert answer.json() == {"error": "Not Found", "code": "not_found"}


def test_a_wrong_method_is_a_405_in_the_document_s_shape(service: Service) -> None:
    answer = service.delete("/health")
    assert answer.status_code == 405
    assert answer.json()["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/health", {"GET"}),
        ("/api/audio/sessions", {"GET", "POST"}),
        ("/api/audio/sessions/x", {"DELETE", "GET"}),
        ("/api/audio/sessions/x/audio", {"GET", "HEAD"}),
    ],
)
def test_options_are_all_methods_of_a_path(service: Service, path: str, methods: set[str]) -> None:
    answer = requests.options(service.url + path, timeout=10)
    assert (answer.status_code, answer.content) == (204, b"")
    assert set(answer.headers["allow"].split(", ")) == methods | {"OPTIONS"}
    refused = requests.patch(service.url + path, timeout=10)
    assert set(refused.headers["allow"].split(", ")) == methods | {"OPTIONS"}
