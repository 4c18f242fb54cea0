import asyncio
import datetime as dt
import ipaddress
import re
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from storage.errors import RecordingNotFoundError, StorageUnavailableError
from storage.s3.client.bucket import Bucket, BucketSettings, KeyExistsError
from tests import engines
from tests.faults import FaultyStore, Kind
from tests.s3_requests import is_a

is_put = is_a("PutObject")


async def test_create_refuses_an_existing_key(bucket: Bucket) -> None:
    await bucket.create("key", b"first")
    with pytest.raises(KeyExistsError):
        await bucket.create("key", b"second")
    assert await bucket.get("key") == b"first"


async def test_one_of_several_racing_writers_creates_the_key(bucket: Bucket) -> None:
    ends = await asyncio.gather(
        *(bucket.create("key", b"%d" % number) for number in range(10)), return_exceptions=True
    )
    assert [type(end) for end in ends].count(KeyExistsError) == 9
    assert await bucket.get("key") == b"%d" % ends.index(None)


async def test_a_retry_recognises_its_own_write(bucket: Bucket, store: FaultyStore) -> None:
    fault = store.fail(Kind.LOST_ANSWER, is_put, times=1)
    await bucket.create("key", b"mine", metadata={"kept": "too"})
    assert len(fault.hits) == 1
    assert sum(map(is_put, store.requests)) == 2
    assert (await bucket.head("key")).metadata["kept"] == "too"


async def test_a_retry_does_not_accept_the_object_of_another_writer(
    bucket: Bucket, store: FaultyStore
) -> None:
    await bucket.create("key", b"another writer's")
    store.fail(Kind.DROPPED, is_put, times=1)
    with pytest.raises(KeyExistsError):
        await bucket.create("key", b"mine")
    assert await bucket.get("key") == b"another writer's"


async def test_a_caller_that_retries_with_its_write_id_recognises_its_own_write(
    bucket: Bucket, store: FaultyStore
) -> None:
    fault = store.fail(Kind.LOST_ANSWER, is_put)
    with pytest.raises(StorageUnavailableError):
        await bucket.create("key", b"mine", write_id="same")
    fault.end()
    await bucket.create("key", b"mine", write_id="same")
    with pytest.raises(KeyExistsError):
        await bucket.create("key", b"mine", write_id="another")


async def test_a_conflict_of_conditional_writes_is_retried(
    bucket: Bucket, store: FaultyStore
) -> None:
    fault = store.fail(Kind.CONFLICT, is_put, times=2)
    await bucket.create("key", b"mine")
    assert len(fault.hits) == 2
    assert await bucket.get("key") == b"mine"


@pytest.mark.parametrize("kind", [Kind.ERROR, Kind.SLOW_DOWN, Kind.DROPPED, Kind.CUT])
async def test_transient_errors_are_retried(bucket: Bucket, store: FaultyStore, kind: Kind) -> None:
    store.fail(kind, is_put, times=1, cut_after=1)
    await bucket.put("key", b"content")
    assert await bucket.get("key") == b"content"


async def test_a_dead_store_is_unavailable_until_it_recovers(
    bucket: Bucket, store: FaultyStore
) -> None:
    store.die()
    with pytest.raises(StorageUnavailableError):
        await bucket.put("key", b"content")
    store.revive()
    await bucket.put("key", b"content")


async def test_a_missing_key_raises_not_found(bucket: Bucket) -> None:
    for request in (bucket.head("key"), bucket.get("key")):
        with pytest.raises(RecordingNotFoundError):
            await request
    await bucket.delete(["key"])


async def test_more_keys_than_one_request_can_hold_are_deleted(
    bucket: Bucket, store: FaultyStore
) -> None:
    keys = [f"many/{number:04}" for number in range(1001)]
    for key in (keys[0], keys[999], keys[1000]):
        await bucket.put(key, b"")
    await bucket.delete(keys)
    assert await bucket.keys("") == []
    assert sum(map(is_a("DeleteObjects"), store.requests)) == 2


async def test_more_keys_than_one_answer_can_hold_are_listed_in_order(
    bucket: Bucket, store: FaultyStore
) -> None:
    keys = [f"many/{number:04}" for number in range(engines.MOTO_PAGE_KEYS + 1)]
    await asyncio.gather(*(bucket.put(key, b"") for key in keys))
    assert await bucket.keys("many/") == keys
    assert sum(map(is_a("List"), store.requests)) == 2


async def test_a_listing_starts_after_the_given_key(bucket: Bucket) -> None:
    for name in "abc":
        await bucket.put(f"list/{name}", b"")
    pages = [page async for page in bucket.pages("list/", start_after="list/a")]
    assert [listed.key for page in pages for listed in page] == ["list/b", "list/c"]


async def test_get_returns_the_requested_range(bucket: Bucket) -> None:
    await bucket.put("key", b"0123456789")
    assert await bucket.get("key", 2, 5) == b"234"
    assert await bucket.get("key", 5, 5) == b""


async def test_the_url_of_a_key_has_its_bucket_and_prefix(bucket: Bucket, prefix: str) -> None:
    assert re.fullmatch(f"s3://{engines.BUCKET}/{prefix}key", bucket.url("key"))


async def test_a_listing_rolls_up_folders_and_has_etags_and_the_time_of_the_store(
    bucket: Bucket,
) -> None:
    keys = [f"rolled/{name}" for name in ("a.wav", "a/1", "a/2", "b.wav", "c/1")]
    for key in keys:
        await bucket.put(key, key.encode())
    found = [each async for each in bucket.listings("rolled/", delimiter="/", max_keys=2)]
    assert len(found) > 1
    objects = [each for listing in found for each in listing.objects]
    assert [each.key for each in objects] == ["rolled/a.wav", "rolled/b.wav"]
    assert objects[0].etag == (await bucket.head("rolled/a.wav")).etag
    assert [name for listing in found for name in listing.folders] == ["rolled/a/", "rolled/c/"]
    assert found[0].answered_at is not None
    assert objects[0].modified_at <= found[0].answered_at
    rest = [each async for each in bucket.listings("rolled/", start_after="rolled/a/2")]
    assert [each.key for listing in rest for each in listing.objects] == keys[3:]


def write_certificate(path: Path) -> None:
    """Write a key and a certificate for 127.0.0.1 that no public authority has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "store")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    form = serialization.PrivateFormat.PKCS8
    path.write_bytes(
        key.private_bytes(pem, form, serialization.NoEncryption()) + certificate.public_bytes(pem)
    )


async def test_aws_ca_bundle_names_the_authority_of_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_certificate(tmp_path / "store.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "store.pem")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\naudio")
        await writer.drain()
        writer.close()

    for name, value in engines.CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "store.pem"))
    async with await asyncio.start_server(answer, "127.0.0.1", ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"https://127.0.0.1:{port}"
        bucket = Bucket(BucketSettings(bucket="b", endpoint_url=url, region="us-east-1"))
        await bucket.start()
        try:
            assert await bucket.get("key") == b"audio"
        finally:
            await bucket.stop()
