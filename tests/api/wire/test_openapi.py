"""The OpenAPI document lists every endpoint and its errors."""

from openapi_spec_validator import validate

from tests.service import Service


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
        "/metrics",
        "/api/status",
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
