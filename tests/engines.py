"""S3 engines as real processes on loopback: moto's server and SeaweedFS."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import requests
from botocore.handlers import add_expect_header

from tests.ports import reserve_ports

ACCESS_KEY, SECRET_KEY, REGION = "engine-user", "engine-secret", "us-east-1"
BUCKET = "recordings"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    "AWS_DEFAULT_REGION": REGION,
}
MOTO_PAGE_KEYS = 50
_BIN = Path(sys.executable).parent
_seaweedfs_processes: dict[str, tuple[Path, "subprocess.Popen[bytes]"]] = {}  # by URL
_START_SECONDS = 60
_MOTO = Path(__file__).with_name("moto_server.py")
_STOP_SECONDS = 3  # then killed: its data is temporary


@contextlib.contextmanager
def moto(folder: Path) -> Iterator[str]:
    """Run moto's server and yield its URL. It checks no signatures and keeps data in memory.

    Small parts are allowed and pages of listings are small, so that tests are fast.
    """
    (port,) = reserve_ports(1)
    command = [str(_BIN / "python"), str(_MOTO), "-H", "127.0.0.1", "-p", str(port)]
    probe_url = f"http://127.0.0.1:{port}/moto-api/"
    small = {
        "S3_UPLOAD_PART_MIN_SIZE": "1024",
        "MOTO_S3_DEFAULT_KEY_BUFFER_SIZE": "65536",
        "MOTO_S3_DEFAULT_MAX_KEYS": str(MOTO_PAGE_KEYS),
    }
    with _running(command, folder, probe_url, **small):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def seaweedfs(folder: Path, *, volume_megabytes: int = 64, metrics_port: int = 0) -> Iterator[str]:
    """Run SeaweedFS (master, volume server, filer, S3 gateway) and yield the gateway's URL."""
    ports = iter(reserve_ports(9))
    s3_port = next(ports)
    config = folder / "s3.json"
    _write_identities(config, {ACCESS_KEY: SECRET_KEY})
    command = [
        str(_BIN / "weed"), "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
        "-master.telemetry=false", f"-master.volumeSizeLimitMB={volume_megabytes}",
        "-volume.max=200", f"-metricsPort={metrics_port}",
        "-filer", "-s3", f"-s3.config={config}", f"-s3.port={s3_port}", "-s3.iam=false",
        "-s3.port.iceberg=0", "-s3.port.lance=0",
        *(f"-{name}={next(ports)}" for name in (
            "master.port", "master.port.grpc", "volume.port", "volume.port.grpc",
            "filer.port", "filer.port.grpc", "s3.port.grpc",
        )),
    ]  # fmt: skip
    url = f"http://127.0.0.1:{s3_port}"
    with _running(command, folder, f"{url}/status") as process:
        _seaweedfs_processes[url] = config, process
        _wait_writable(url)
        yield url


def accept_keys(url: str, access_key: str, secret_key: str) -> None:
    """Let SeaweedFS accept one more pair of keys, and refuse what this function added before."""
    config, process = _seaweedfs_processes[url]
    _write_identities(config, {ACCESS_KEY: SECRET_KEY, access_key: secret_key})
    process.send_signal(signal.SIGHUP)
    s3 = client(url, access_key, secret_key)
    _wait_for(lambda: s3.head_bucket(Bucket=BUCKET), process)


def _write_identities(config: Path, keys: dict[str, str]) -> None:
    identity = {
        "name": "tests",
        "credentials": [{"accessKey": key, "secretKey": secret} for key, secret in keys.items()],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config.write_text(json.dumps({"identities": [identity]}))


def open_uploads(url: str, prefix: str) -> list[str]:
    """Return the keys of multipart uploads that were neither completed nor aborted."""
    answer = client(url).list_multipart_uploads(Bucket=BUCKET, Prefix=prefix)
    return [upload["Key"] for upload in answer.get("Uploads", [])]


def objects(url: str, prefix: str) -> dict[str, bytes]:
    """Return every object below ``prefix``, by the rest of its key.

    A service may delete objects meanwhile. These are left out.
    """
    s3 = client(url)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    found = {}
    for key in [item["Key"] for page in pages for item in page.get("Contents", [])]:
        with contextlib.suppress(s3.exceptions.NoSuchKey):
            found[key.removeprefix(prefix)] = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return found


def client(url: str, access_key: str = ACCESS_KEY, secret_key: str = SECRET_KEY) -> Any:
    """Return a boto3 client for an engine.

    It sends bodies at once: botocore waits for a "100 Continue", and for a minute if SeaweedFS
    sends that late, as it does when it makes its first volumes.
    """
    client = boto3.client(
        "s3",
        endpoint_url=url,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name=REGION,
    )
    client.meta.events.unregister("before-call.s3", add_expect_header)
    return client


@contextlib.contextmanager
def _running(
    command: list[str], folder: Path, probe_url: str, **variables: str
) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=folder, env={**os.environ, **variables}
        )
        try:
            _wait_for(lambda: requests.get(probe_url, timeout=5).status_code < 500, process)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_writable(url: str) -> None:
    """Wait for the first volume; the gateway answers before it exists."""
    s3 = client(url)

    def works() -> bool:
        s3.create_bucket(Bucket="first")
        s3.put_object(Bucket="first", Key="first", Body=b"x")
        return True

    _wait_for(works, None)


def _wait_for(works: Any, process: subprocess.Popen[bytes] | None) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            if works():
                return
        except Exception as error:
            if time.monotonic() > deadline:
                raise RuntimeError("the engine did not answer in time") from error
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"the engine exited with code {process.returncode}")
        time.sleep(0.1)
