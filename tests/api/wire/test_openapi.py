"""The OpenAPI document lists every endpoint and its errors."""

import os
import subprocess
import sys
from pathlib import Path

from openapi_spec_validator import validate

from tests.service import Service

_LOADED = """
import sys
from api.app import create_app
from api.settings import read_settings
create_app(read_settings()).openapi_schema
print(sorted({"polyfactory", "faker"} & sys.modules.keys()))
"""


def test_the_openapi_document_is_valid_and_complete(service: Service) -> None:
    document = service.get("/openapi.json").json()
    validate(document)
    assert set(document["paths"]) == {
        "/.well-known/sercuescribe-receipt-keys.json",
        "/api/audio/sessions",
        "/api/audio/sessions/{session_id}",
        "/api/audio/sessions/{session_id}/audio",
        "/api/audio/sessions/{session_id}/close",
        "/api/audio/sessions/{session_id}/marks",
        "/api/audio/sessions/{session_id}/pause",
        "/api/audio/sessions/{session_id}/resume",
        "/api/audio/sessions/{session_id}/timeline",
        "/api/audio/sessions/{session_id}/download",
        "/api/audio/sessions/{session_id}/links",
        "/api/audio/sessions/{session_id}/links/{link_id}",
        "/api/audio/sessions/{session_id}/tokens",
        "/api/audio/sessions/{session_id}/waveform",
        "/api/identity",
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


def test_the_document_is_made_without_the_packages_for_tests_that_litestar_requires(
    tmp_path: Path,
) -> None:
    environment = {**os.environ, "AUDIO_STORAGE_PATH": str(tmp_path)}
    loaded = subprocess.run(
        [sys.executable, "-c", _LOADED], env=environment, capture_output=True, text=True, check=True
    )
    assert loaded.stdout == "[]\n"
