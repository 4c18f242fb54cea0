"""The command ``sercuescribe serve``."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.api.cli.command import run
from tests.service import Service

pytestmark = pytest.mark.engine


def test_a_second_server_on_the_same_folder_exits_with_the_reason(
    start_service: Callable[..., Service],
) -> None:
    first = start_service()
    second = run("serve", "--port", "0", AUDIO_STORAGE_PATH=str(first.folder))
    assert second.returncode == 1
    assert second.stderr.splitlines()[-1] == (
        f"sercuescribe: {first.folder} is in use by another process; one folder has one writer"
    )


def test_a_short_stored_secret_ends_the_server_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / ".signing-key").write_bytes(b"short")
    refused = run("serve", "--port", "0", AUDIO_STORAGE_PATH=str(tmp_path))
    assert refused.returncode == 1
    assert f"{tmp_path / '.signing-key'}: the secret has 5 bytes" in refused.stderr


def test_a_server_on_a_port_in_use_exits_with_the_reason(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = run("serve", "--port", port, AUDIO_STORAGE_PATH=str(tmp_path))
    assert refused.returncode != 0
    assert f"sercuescribe: 127.0.0.1:{port}: " in refused.stderr
    assert "Address already in use" in refused.stderr


def test_the_start_ends_with_the_url_of_the_page(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "api.cli", "serve", "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "AUDIO_STORAGE_PATH": str(tmp_path)},
    ) as process:
        assert process.stderr is not None
        running = next(line for line in process.stderr if "Uvicorn running on" in line)
        opened = process.stderr.readline()
        process.terminate()
    (url,) = re.findall(r"http://127\.0\.0\.1:\d+", running)
    assert opened.endswith(f": Open {url}/\n")


# Give the process a host name that no resolver knows, as in a container without a network.
_WITHOUT_ADDRESS = [
    *("unshare", "--user", "--map-root-user", "--uts"),
    *("sh", "-c", 'hostname no-such-host.invalid && exec "$@"', "sh"),
]


def test_a_host_name_without_an_address_does_not_stop_a_server_on_a_volume(tmp_path: Path) -> None:
    with subprocess.Popen(
        [
            *(*_WITHOUT_ADDRESS, sys.executable, "-m", "api.cli"),
            *("serve", "--host", "0.0.0.0", "--port", "0"),
        ],
        env={**os.environ, "AUDIO_STORAGE_PATH": str(tmp_path), "AUTH_MODE": "none"},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert any("running on http" in line for line in process.stderr)
        process.terminate()
        assert process.wait(timeout=30) == 0


def test_the_server_exits_with_0_after_sigterm(start_service: Callable[..., Service]) -> None:
    assert start_service().stop() == 0


def test_the_s3_backend_requires_a_bucket_name() -> None:
    refused = run("serve", STORAGE_BACKEND="s3")
    assert refused.returncode == 1
    assert refused.stderr == (
        "sercuescribe: S3_BUCKET='' is not valid: STORAGE_BACKEND=s3 needs a bucket\n"
    )
    assert run("bucket", "init").returncode == 1


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "rec.example"])
def test_without_auth_mode_the_service_listens_on_loopback_only(host: str) -> None:
    refused = run("serve", "--port", "0", "--host", host)
    assert refused.returncode == 1
    assert "AUTH_MODE" in refused.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("environ", "needed"),
    [
        ({"AUTH_MODE": "api_key"}, "API_KEYS"),
        ({"AUTH_MODE": "api_key", "API_KEYS": "x"}, "SHA-256|expected"),
        ({"AUTH_MODE": "api_key", "API_KEYS_FILE": "/nowhere"}, "/nowhere"),
        ({"AUTH_MODE": "jwt"}, "JWT_SECRET or JWT_JWKS"),
        ({"AUTH_MODE": "jwt", "JWT_SECRET": "s" * 32, "JWT_JWKS": "u"}, "either"),
        ({"AUTH_MODE": "jwt", "JWT_SECRET": "s" * 32}, "JWT_ISSUER and JWT_AUDIENCE"),
        ({"AUTH_MODE": "anyone"}, "none, api_key, jwt"),
        ({"AUTH_MODE": "jwt", "JWT_SECRET": "s"}, "JWT_SECRET .* 32"),
        ({"ALLOWED_ORIGINS": "page.example"}, "ALLOWED_ORIGINS"),
    ],
)
def test_access_settings_that_cannot_work_are_refused_by_name(
    environ: dict[str, str], needed: str, tmp_path: Path
) -> None:
    refused = run("serve", "--port", "0", **environ, AUDIO_STORAGE_PATH=str(tmp_path))
    assert refused.returncode == 1
    assert re.search(needed, refused.stderr.splitlines()[-1]), refused.stderr


def test_nodes_that_share_a_bucket_need_a_shared_secret() -> None:
    keys = {"AUTH_MODE": "api_key", "API_KEYS": f"{'0' * 64} alice read"}
    refused = run("serve", **keys, STORAGE_BACKEND="s3", S3_BUCKET="rec")
    assert refused.returncode == 1
    assert "SIGNING_SECRET" in refused.stderr
