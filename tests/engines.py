"""S3 engines as real processes on loopback: moto's server and SeaweedFS."""

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import requests

ACCESS_KEY, SECRET_KEY, REGION = "engine-user", "engine-secret", "us-east-1"
BUCKET = "recordings"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    "AWS_DEFAULT_REGION": REGION,
}
_BIN = Path(sys.executable).parent
_START_SECONDS = 60


@contextlib.contextmanager
def moto(folder: Path) -> Iterator[str]:
    """Moto's server; gives its URL. Nothing is checked, everything is in memory."""
    (port,) = _free_ports(1)
    command = [str(_BIN / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    with _running(command, folder, f"http://127.0.0.1:{port}/moto-api/") as process:
        del process
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def seaweedfs(folder: Path) -> Iterator[str]:
    """A SeaweedFS with master, volume server, filer and S3 gateway; gives the gateway's URL."""
    ports = iter(_free_ports(9))
    s3_port = next(ports)
    identity = {
        "name": "tests",
        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    command = [
        str(_BIN / "weed"), "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
        "-master.telemetry=false", "-master.volumeSizeLimitMB=64", "-volume.max=200",
        "-filer", "-s3", f"-s3.config={config}", f"-s3.port={s3_port}", "-s3.iam=false",
        "-s3.port.iceberg=0", "-s3.port.lance=0",
        *(f"-{name}={next(ports)}" for name in (
            "master.port", "master.port.grpc", "volume.port", "volume.port.grpc",
            "filer.port", "filer.port.grpc", "s3.port.grpc",
        )),
    ]  # fmt: skip
    url = f"http://127.0.0.1:{s3_port}"
    with _running(command, folder, f"{url}/status"):
        _wait_writable(url)
        yield url


def client(url: str) -> Any:
    """A boto3 client for an engine."""
    return boto3.client(
        "s3",
        endpoint_url=url,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name=REGION,
    )


@contextlib.contextmanager
def _running(command: list[str], folder: Path, probe_url: str) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        try:
            _wait_for(lambda: requests.get(probe_url, timeout=5).status_code < 500, process)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_writable(url: str) -> None:
    """The gateway answers before there is a volume to write to."""
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
                raise RuntimeError("the engine does not answer") from error
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"the engine ended with {process.returncode}")
        time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
