"""Downloads over connections that end, and from a store at another address."""

import contextlib
import http.server
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sercuescribe_client import Client, Limits, SercueScribeError, SessionNotFoundError
from tests.audio import pcm
from tests.service import Service

_ID = "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"
_FILE = pcm(200_000)


class Store(http.server.ThreadingHTTPServer):
    """Serves one file, cut off after ``cuts`` bytes of an answer, and records the requests."""

    def __init__(self, file: bytes, cuts: list[int], etag: str = '"one"') -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.file, self.cuts, self.etag = file, cuts, etag
        self.seen: list[dict[str, str]] = []
        self.redirect: str | None = None
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Store

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_GET(self) -> None:
        store = self.server
        store.seen.append({name.lower(): value for name, value in self.headers.items()})
        if store.redirect:
            self.send_response(307)
            self.send_header("Location", store.redirect)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        range_ = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(range_[1]) if range_ and self.headers["If-Range"] == store.etag else 0
        body = store.file[start:]
        self.send_response(206 if start else 200)
        self.send_header("ETag", store.etag)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body[: store.cuts.pop(0)] if store.cuts else body)
        self.close_connection = True


@pytest.fixture
def start_store() -> Iterator[Callable[..., Store]]:
    started: list[tuple[Store, threading.Thread]] = []

    def start(cuts: tuple[int, ...] = ()) -> Store:
        store = Store(_FILE, list(cuts))
        thread = threading.Thread(target=store.serve_forever, args=(0.01,))
        thread.start()
        started.append((store, thread))
        return store

    yield start
    for store, thread in started:
        store.shutdown()
        thread.join()
        store.server_close()


async def test_a_downloaded_recording_equals_that_of_the_service(
    client: Client, service: Service, tmp_path: Path
) -> None:
    async with client.create() as session:
        await session.send(pcm(100_000))
    seen: list[tuple[int, int | None]] = []
    path = await client.download(
        session.session_id, tmp_path / "x.wav", on_progress=lambda *counts: seen.append(counts)
    )
    assert path.read_bytes() == service.wav(session.session_id).read_bytes()
    assert seen[-1] == (path.stat().st_size,) * 2
    assert list(tmp_path.glob("x.wav*")) == [path]


async def test_a_download_resumes_where_the_connection_ended(
    start_store: Callable[..., Store], tmp_path: Path
) -> None:
    store = start_store((150_000, 100_000))
    async with Client(store.url) as client:
        path = await client.download(_ID, tmp_path / "x.wav")
    assert path.read_bytes() == _FILE
    first, second, third = store.seen
    assert "range" not in first
    assert second["if-range"] == third["if-range"] == '"one"'
    assert 0 < int(second["range"][6:-1]) <= 150_000 < int(third["range"][6:-1]) <= 250_000


async def test_another_process_can_resume_a_download(
    start_store: Callable[..., Store], tmp_path: Path
) -> None:
    store = start_store((150_000,))
    async with Client(store.url, limits=Limits(retry_timeout_seconds=0)) as client:
        with pytest.raises(SercueScribeError):
            await client.download(_ID, tmp_path / "x.wav")
        assert not (tmp_path / "x.wav").exists()
        await client.download(_ID, tmp_path / "x.wav")
    assert (tmp_path / "x.wav").read_bytes() == _FILE
    assert "range" in store.seen[1]
    assert [each.name for each in tmp_path.iterdir()] == ["x.wav"]


async def test_a_changed_file_is_downloaded_from_the_beginning(
    start_store: Callable[..., Store], tmp_path: Path
) -> None:
    store = start_store((150_000,))
    async with Client(store.url, limits=Limits(retry_timeout_seconds=0)) as client:
        with pytest.raises(SercueScribeError):
            await client.download(_ID, tmp_path / "x.wav")
        store.etag, store.file = '"two"', _FILE[::-1]
        await client.download(_ID, tmp_path / "x.wav")
    assert (tmp_path / "x.wav").read_bytes() == _FILE[::-1]


async def test_a_complete_partial_file_is_downloaded_again(
    client: Client, service: Service, tmp_path: Path
) -> None:
    async with client.create() as session:
        await session.send(pcm(1000))
    whole = service.wav(session.session_id).read_bytes()
    etag = service.get(f"/api/audio/sessions/{session.session_id}/audio").headers["etag"]
    (tmp_path / "x.wav.part").write_bytes(whole)
    (tmp_path / "x.wav.part.etag").write_text(etag)
    path = await client.download(session.session_id, tmp_path / "x.wav")
    assert path.read_bytes() == whole


async def test_a_redirect_to_the_store_does_not_carry_the_key(
    start_store: Callable[..., Store], tmp_path: Path
) -> None:
    service, store = start_store(), start_store()
    service.redirect = f"{store.url}/bucket/x.wav?X-Amz-Signature=abc"
    async with Client(service.url, key="secret") as client:
        await client.download(_ID, tmp_path / "x.wav")
    assert service.seen[0]["authorization"] == "Bearer secret"
    assert "secret" not in str(store.seen)
    assert (tmp_path / "x.wav").read_bytes() == _FILE


async def test_a_redirect_loop_raises(start_store: Callable[..., Store], tmp_path: Path) -> None:
    service = start_store()
    service.redirect = "/again"
    async with Client(service.url) as client:
        with pytest.raises(SercueScribeError, match="too many redirects"):
            await client.download(_ID, tmp_path / "x.wav")


async def test_a_missing_session_leaves_no_file(client: Client, tmp_path: Path) -> None:
    with pytest.raises(SessionNotFoundError):
        await client.download(_ID, tmp_path / "x.wav")
    assert not list(tmp_path.iterdir())
