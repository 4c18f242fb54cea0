"""Keys that are replaced while the service runs sign the next request."""

import asyncio
import http.server
import itertools
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from storage.errors import StorageUnavailableError
from storage.s3.client.bucket import Bucket, BucketSettings
from storage.s3.client.credentials import Credentials, Keys, find_keys
from storage.s3.client.presigner import Presigner
from storage.s3.writing.upload import Upload
from tests import engines
from tests.conftest import ManualClock
from tests.faults import FaultyStore, Kind
from tests.s3_requests import is_a
from tests.storage.conftest import bucket_settings

INTERVAL_SECONDS = 10


def keys(name: str, ends_at: datetime | None = None) -> Keys:
    return Keys(name, "secret", ends_at=ends_at)


class Source:
    """Where searches find keys; counts the searches, which wait while it is closed."""

    def __init__(self, found: Keys | None) -> None:
        self.found = found
        self.count = 0
        self.is_open = threading.Event()
        self.is_open.set()

    def find(self) -> Keys | None:
        self.count += 1
        assert self.is_open.wait(30)
        if self.found is None:
            raise RuntimeError("the source is down")
        return self.found


@pytest.fixture
def no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove what this machine and the other tests give to AWS tools."""
    for name in (*engines.CREDENTIALS, "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def source(clock: ManualClock, no_files: None) -> Source:
    return Source(keys("first", clock.now() + timedelta(hours=1)))


@pytest.fixture
async def found_credentials(source: Source, clock: ManualClock) -> AsyncIterator[Credentials]:
    found = Credentials(
        source.find,
        search_interval_seconds=INTERVAL_SECONDS,
        now=clock.now,
        monotonic=clock.monotonic,
    )
    yield found
    await found.stop()


async def test_requests_at_the_same_time_wait_for_one_search(
    found_credentials: Credentials, source: Source, clock: ManualClock
) -> None:
    found = await asyncio.gather(*(found_credentials.current() for _ in range(20)))
    assert (set(found), source.count) == ({source.found}, 1)
    clock.seconds += INTERVAL_SECONDS
    source.found = keys("second")
    assert all(await asyncio.gather(*(found_credentials.replace(found[0]) for _ in range(20))))
    assert (await found_credentials.current(), source.count) == (source.found, 2)
    assert await found_credentials.replace(found[0])  # a request that was slower than the others
    assert source.count == 2


async def test_keys_that_are_refused_and_still_the_same_are_searched_once_per_interval(
    found_credentials: Credentials, source: Source, clock: ManualClock
) -> None:
    current = await found_credentials.current()
    for _ in range(10):
        assert not await found_credentials.replace(current)
    assert source.count == 1
    clock.seconds += INTERVAL_SECONDS
    for _ in range(10):
        assert not await found_credentials.replace(current)
    assert source.count == 2


async def test_keys_are_replaced_before_they_expire_and_no_request_waits(
    found_credentials: Credentials, source: Source, clock: ManualClock
) -> None:
    first = await found_credentials.current()
    clock.seconds += 50 * 60
    source.found = keys("second")
    source.is_open.clear()
    assert await found_credentials.current() == first
    clock.seconds += 10 * 60
    waiting = asyncio.create_task(found_credentials.current())
    await asyncio.sleep(0)
    assert not waiting.done()  # they have expired
    source.is_open.set()
    assert await waiting == source.found
    assert source.count == 2


async def test_keys_that_live_for_minutes_are_not_searched_all_the_time(
    found_credentials: Credentials, source: Source, clock: ManualClock
) -> None:
    source.found = keys("short", clock.now() + timedelta(minutes=12))
    for _ in range(8):
        assert await found_credentials.current() == source.found
        clock.seconds += 60
    assert source.count == 1
    clock.seconds += 60
    await found_credentials.current()
    assert await found_credentials.replace(source.found) is False
    assert source.count == 2


async def test_a_failed_search_leaves_the_last_keys(
    found_credentials: Credentials, source: Source, clock: ManualClock
) -> None:
    first = await found_credentials.current()
    source.found = None
    clock.seconds += 2 * 3600
    assert await found_credentials.current() == first


async def test_without_keys_the_reason_is_told(
    found_credentials: Credentials, source: Source
) -> None:
    source.found = None
    with pytest.raises(StorageUnavailableError, match=r"no credentials .*: the source is down"):
        await found_credentials.current()


def write_file(path: Path, access_key: str, secret_key: str) -> None:
    path.write_text(
        f"[default]\naws_access_key_id={access_key}\naws_secret_access_key={secret_key}\n"
    )


def test_what_a_log_would_show_of_keys_has_no_secret() -> None:
    assert repr(Keys("access", "hunter2", "token")) == "Keys(ends_at=None)"


async def test_a_change_of_the_credentials_file_is_found_at_once(
    no_files: None, tmp_path: Path
) -> None:
    credentials = Credentials(search_interval_seconds=3600)
    with pytest.raises(StorageUnavailableError, match="Unable to locate credentials"):
        await credentials.current()
    path = tmp_path / "credentials"
    for name in ("first", "second"):
        write_file(path, name, "secret")
        assert (await credentials.current()).access_key == name
    path.write_text("[default]\naws_access_key_id=third")  # it is being written
    assert (await credentials.current()).access_key == "second"
    path.unlink()
    assert (await credentials.current()).access_key == "second"


def test_the_end_of_temporary_keys_is_known(no_files: None, tmp_path: Path) -> None:
    ends_at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    output = tmp_path / "output"
    found = {"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "s", "SessionToken": "t"}
    output.write_text(json.dumps(found | {"Expiration": ends_at.isoformat()}))
    (tmp_path / "config").write_text(f"[default]\ncredential_process=cat {output}\n")
    found_keys = find_keys()
    assert found_keys is not None
    assert (found_keys.token, found_keys.ends_at) == ("t", ends_at)


# On a real engine, whose keys a process hands out: no file of the AWS tools changes.


class Rotation:
    """Pairs of keys of which the engine accepts the last one only."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._output = folder / "output"
        self._count = 0
        (folder / "config").write_text(f"[default]\ncredential_process=cat {self._output}\n")

    def next(self) -> None:
        self._count += 1
        access_key, secret_key = f"key-{self._count}", f"secret-{self._count}"
        found = {"Version": 1, "AccessKeyId": access_key, "SecretAccessKey": secret_key}
        self._output.write_text(json.dumps(found))
        engines.accept_keys(self._url, access_key, secret_key)


@pytest.fixture
def rotation(seaweedfs_url: str, no_files: None, tmp_path: Path) -> Rotation:
    rotation = Rotation(seaweedfs_url, tmp_path)
    rotation.next()
    return rotation


@pytest.fixture
async def rotating_bucket(
    rotation: Rotation, seaweedfs_url: str, prefix: str
) -> AsyncIterator[Bucket]:
    settings = bucket_settings(seaweedfs_url, prefix=prefix)
    bucket = Bucket(settings, Credentials(search_interval_seconds=0))
    await bucket.start()
    yield bucket
    await bucket.stop()


async def test_every_request_survives_a_rotation_of_the_keys(
    rotating_bucket: Bucket, rotation: Rotation
) -> None:
    bucket, part = rotating_bucket, b"x" * (5 * 1024 * 1024)
    upload = await Upload.create(bucket, "upload")
    requests_made: list[Callable[[], Awaitable[object]]] = [
        lambda: bucket.put("key", part),
        lambda: bucket.create("other", b"content"),
        lambda: bucket.head("key"),
        lambda: bucket.get("key"),
        lambda: bucket.keys(""),
        lambda: upload.put(1, part),
        lambda: upload.complete(len(part)),
        lambda: bucket.delete(["key"]),
    ]
    for request in requests_made:
        rotation.next()
        await request()
    assert await bucket.keys("") == ["other", "upload"]
    assert await bucket.get("upload") == part


async def test_a_link_is_signed_with_the_keys_after_the_rotation(
    rotating_bucket: Bucket, rotation: Rotation
) -> None:
    await rotating_bucket.put("key", b"content")
    presigner = Presigner(rotating_bucket.settings)
    for _ in range(2):
        rotation.next()
        await rotating_bucket.head("key")
        found = await rotating_bucket.credentials.current()
        link = presigner.link("key", "key.wav", 60, datetime.now(UTC), keys=found)
        assert requests.get(link.url, timeout=30).content == b"content"


@pytest.fixture
async def expiring_bucket(
    settings: BucketSettings, source: Source
) -> AsyncIterator[tuple[Bucket, Source]]:
    """A bucket without retries, and the source of its keys."""
    source.found = keys("first")
    bucket = Bucket(settings, Credentials(source.find, search_interval_seconds=0))
    await bucket.start()
    yield bucket, source
    await bucket.stop()


async def test_expired_tokens_are_replaced_once_for_each_request(
    expiring_bucket: tuple[Bucket, Source], store: FaultyStore
) -> None:
    bucket, source = expiring_bucket
    await bucket.put("key", b"content")
    store.fail(Kind.EXPIRED, is_a("HeadObject"), times=1)  # 400 without a body
    source.found = keys("second")
    assert (await bucket.head("key")).size_bytes == 7
    fault = store.fail(Kind.EXPIRED, is_a("GetObject"))
    source.found = keys("third")
    with pytest.raises(StorageUnavailableError, match="ExpiredToken"):
        await bucket.get("key")
    assert len(fault.hits) == 2


async def test_a_refused_request_is_not_repeated_with_the_same_keys(
    expiring_bucket: tuple[Bucket, Source], store: FaultyStore
) -> None:
    bucket, source = expiring_bucket
    fault = store.fail(Kind.EXPIRED, is_a("PutObject"))
    with pytest.raises(StorageUnavailableError, match="ExpiredToken"):
        await bucket.put("key", b"content")
    assert len(fault.hits) == 1
    assert source.count == 2


class RoleOfContainer(http.server.BaseHTTPRequestHandler):
    """Hands out keys as the agent of a container does; each request gets others."""

    counter = itertools.count(1)

    def do_GET(self) -> None:
        name, ends_at = f"role-{next(self.counter)}", datetime.now(UTC) + timedelta(hours=1)
        found = {"AccessKeyId": name, "SecretAccessKey": "s", "Token": "t"}
        body = json.dumps(found | {"Expiration": f"{ends_at:%Y-%m-%dT%H:%M:%SZ}"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


async def test_the_role_of_a_container_gives_new_keys_if_the_store_refuses_them(
    no_files: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), RoleOfContainer) as agent:
        threading.Thread(target=agent.serve_forever).start()
        monkeypatch.setenv(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{agent.server_port}/role"
        )
        credentials = Credentials(search_interval_seconds=0)
        refused = await credentials.current()
        assert refused.ends_at is not None
        assert await credentials.replace(refused)
        assert await credentials.current() != refused
        agent.shutdown()
