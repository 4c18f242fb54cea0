"""The configurations of nginx, HAProxy and Caddy in infra/ carry everything that clients do."""

import contextlib
import http.client
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from websockets.asyncio.client import connect

from tests.audio import pcm
from tests.eventually import eventually
from tests.ports import reserve_ports
from tests.service import Client, Service

ROOT = Path(__file__).parents[2]
CHUNK = pcm(1000)
LARGE = pcm(3_000_000)  # more than any buffer of a proxy


@contextlib.contextmanager
def nginx(folder: Path, service_port: int) -> Iterator[int]:
    """Run nginx with the project's configuration; only addresses and folders are the test's."""
    (port,) = reserve_ports(1)
    text = (ROOT / "infra" / "nginx.conf").read_text()
    text, count = re.subn(r"127\.0\.0\.1:8000", f"127.0.0.1:{service_port}", text)
    assert count == 1
    text, count = re.subn(r"listen 8080", f"listen 127.0.0.1:{port}", text)
    assert count == 1
    names = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = " ".join(f"{name}_temp_path {folder}/{name};" for name in names)
    text = text.replace("http {", f"http {{ access_log off; {folders}")
    text = f"daemon off; pid {folder}/pid; error_log {folder}/error;\n{text}"
    (folder / "nginx.conf").write_text(text)
    command = ["nginx", "-c", str(folder / "nginx.conf"), "-e", f"{folder}/error"]
    with running(command):
        yield port


@contextlib.contextmanager
def haproxy(folder: Path, service_port: int) -> Iterator[int]:
    """Run HAProxy with the project's configuration and one node."""
    (port,) = reserve_ports(1)
    text = (ROOT / "infra" / "haproxy.cfg").read_text()
    text = re.sub(r"^resolvers .*\n(?:    .*\n)*", "", text, flags=re.MULTILINE)
    text = text.replace(" resolvers docker resolve-prefer ipv4 init-addr none", "")
    text = text.replace("bind :8000", f"bind 127.0.0.1:{port}")
    text = re.sub(r"^    server .*\n", "", text, flags=re.MULTILINE)
    text += f"    server node-1 127.0.0.1:{service_port}\n"
    (folder / "haproxy.cfg").write_text(text)
    with running(["haproxy", "-db", "-f", str(folder / "haproxy.cfg")]):
        yield port


@contextlib.contextmanager
def caddy(folder: Path, service_port: int) -> Iterator[int]:
    """Run Caddy with the project's configuration, without TLS."""
    (port,) = reserve_ports(1)
    text = (ROOT / "infra" / "Caddyfile").read_text()
    text = text.replace("rec.example.com", f"http://127.0.0.1:{port}")
    text = text.replace("127.0.0.1:8000", f"127.0.0.1:{service_port}")
    (folder / "Caddyfile").write_text(
        f"{{\n\tadmin off\n\tstorage file_system {folder}\n}}\n{text}"
    )
    # Caddy keeps the last configuration in the home folder.
    with running(["env", f"HOME={folder}", "caddy", "run", "--config", f"{folder}/Caddyfile"]):
        yield port


@contextlib.contextmanager
def running(command: list[str]) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def request_from(address: str, port: int, path: str, headers: dict[str, str]) -> None:
    """Send a request from another address than that of the proxy."""
    connection = http.client.HTTPConnection("127.0.0.1", port, source_address=(address, 0))
    connection.request("GET", path, headers=headers)
    assert connection.getresponse().status == 200
    connection.close()


def is_answering(url: str) -> bool:
    with contextlib.suppress(requests.ConnectionError):
        return requests.get(f"{url}/health", timeout=5).status_code == 200
    return False


@pytest.mark.long
@pytest.mark.parametrize("proxy", [nginx, haproxy, caddy])
async def test_a_proxy_passes_sockets_resumes_and_downloads_and_no_forged_address(
    proxy: Callable[[Path, int], contextlib.AbstractContextManager[int]],
    start_service: Callable[..., Service],
    tmp_path: Path,
) -> None:
    service = start_service(trusted_proxies="127.0.0.1", ping_interval_seconds=1)
    with proxy(tmp_path, service.port) as port:
        url = f"http://127.0.0.1:{port}"
        await eventually(lambda: is_answering(url), awaiting="the proxy")
        created = requests.post(
            f"{url}/api/audio/sessions", json={"format": "pcm_s16le"}, timeout=10
        ).json()
        assert created["ws_url"].startswith(f"ws://127.0.0.1:{port}/")  # Host is passed on
        async with connect(created["ws_url"], max_size=None) as socket:
            client = Client(socket)
            client.greeting = await client.receive()
            await client.send(CHUNK)
            client.drop()
        async with connect(f"{created['ws_url']}?resume=true", max_size=None) as socket:
            client = Client(socket)
            assert (await client.receive())["chunk_count"] == 1
            for start in range(0, len(LARGE), 500_000):
                await client.send(LARGE[start : start + 500_000])
            await client.close_session()
        audio = requests.get(f"{url}/api/audio/sessions/{created['session_id']}/audio", timeout=30)
        assert audio.content[80:] == CHUNK + LARGE
        request_from("127.0.0.2", port, "/health", {"X-Forwarded-For": "192.0.2.7"})
    seen = [line for line in service.log if "GET /health " in line]
    assert any("127.0.0.2" in line for line in seen)
    assert not any("192.0.2.7" in line for line in seen)  # what a client says of itself
