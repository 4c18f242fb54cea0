"""The doctor finds out whether a store can hold recordings, and says what to change."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import msgspec
import pytest

from storage.errors import StorageUnavailableError
from storage.s3 import BucketSettings, S3Storage, examine, provision
from tests import engines
from tests.faults import Kind, faulty_store
from tests.storage.conftest import bucket_settings

PART_BYTES = 5 * 1024 * 1024
SMALL_PART_BYTES = 8192  # moto takes it
PAGE = "https://page.example"


async def outcomes(settings: BucketSettings, origin: str = PAGE) -> dict[str, str]:
    return {f.check: f.outcome async for f in examine(settings, PART_BYTES, origin)}


async def prepare(settings: BucketSettings, *origins: str) -> list[str]:
    return [line async for line in provision(settings, list(origins))]


@contextlib.asynccontextmanager
async def without_conditional_writes(url: str) -> AsyncIterator[str]:
    """Serve the engine through a proxy that removes the conditions of writes."""
    engine = urlsplit(url)
    serving: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data.replace(b"If-None-Match", b"Xf-None-Match"))
            await writer.drain()
        writer.write_eof()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(cast("asyncio.Task[None]", asyncio.current_task()))
        ahead = await asyncio.open_connection(engine.hostname, engine.port)
        try:
            await asyncio.gather(pump(reader, ahead[1]), pump(ahead[0], writer))
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            for end in (ahead[1], writer):
                end.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving)


@pytest.mark.parametrize("engine", ["moto_url", "seaweedfs_url"])
async def test_an_initialised_bucket_passes_every_check(
    request: pytest.FixtureRequest, engine: str
) -> None:
    settings = bucket_settings(request.getfixturevalue(engine), prefix="doctor/")
    settings = msgspec.structs.replace(settings, bucket=f"fit-{engine[:4]}")
    assert (await prepare(settings, PAGE))[0] == f"bucket fit-{engine[:4]} created"
    found = await outcomes(settings)
    assert set(found.values()) == {"pass"}
    assert len(found) == 12
    left = engines.client(str(settings.endpoint_url)).list_objects_v2(Bucket=settings.bucket)
    assert "Contents" not in left


async def test_missing_bucket_settings_are_noted(moto_url: str) -> None:
    engines.client(moto_url).create_bucket(Bucket="bare", ACL="public-read")
    found = await outcomes(BucketSettings(bucket="bare", endpoint_url=moto_url))
    noted = {check for check, outcome in found.items() if outcome == "note"}
    assert noted == {"private", "lifecycle"}
    assert "fail" not in found.values()


@pytest.mark.long
async def test_a_cors_rule_for_another_origin_is_noted(seaweedfs_url: str) -> None:
    settings = BucketSettings(bucket="one-page", endpoint_url=seaweedfs_url)
    await prepare(settings, PAGE)
    assert (await outcomes(settings, "https://other.example"))["CORS"] == "note"


async def test_a_missing_bucket_fails_the_first_and_only_check(
    moto_url: str,
) -> None:
    findings = [
        finding
        async for finding in examine(
            BucketSettings(bucket="nowhere", endpoint_url=moto_url), PART_BYTES, PAGE
        )
    ]
    assert [(finding.check, finding.outcome) for finding in findings] == [("bucket", "fail")]
    assert "sercuescribe bucket init" in findings[0].advice


async def test_unreachable_presigned_links_fail_the_check(moto_url: str) -> None:
    settings = bucket_settings(moto_url, prefix="")
    found = await outcomes(
        msgspec.structs.replace(settings, public_endpoint_url="http://127.0.0.1:9")
    )
    assert found["presigned link"] == "fail"
    assert found["multipart, first part last"] == "pass"


@pytest.mark.parametrize(
    ("operation", "check"),
    [("PutObject", "put, get, list, delete"), ("UploadPart", "multipart, first part last")],
)
async def test_the_checksum_that_a_store_wants_is_advised(
    moto_url: str, operation: str, check: str
) -> None:
    with faulty_store(moto_url) as store:
        wanted = "x-amz-checksum-sha256"
        store.fail(
            Kind.UNCHECKED,
            lambda request: request.operation == operation and wanted not in request.checksums,
        )
        settings = bucket_settings(store.url, prefix="unchecked/")
        findings = [finding async for finding in examine(settings, SMALL_PART_BYTES, PAGE)]
        failed = [(found.check, found.advice) for found in findings if found.outcome == "fail"]
        assert failed == [(check, "set S3_CHECKSUM=sha256, then run this again")]
        settings = msgspec.structs.replace(settings, checksum="sha256")
        fit = {
            found.check: found.outcome async for found in examine(settings, SMALL_PART_BYTES, PAGE)
        }
        assert fit[check] == "pass"


async def test_a_store_without_conditional_writes_is_refused_by_name(
    moto_url: str, tmp_path: Path
) -> None:
    async with without_conditional_writes(moto_url) as url:
        settings = bucket_settings(url, prefix="unconditional/")
        assert (await outcomes(settings))["conditional create"] == "fail"
        storage = S3Storage(settings, tmp_path)
        with pytest.raises(StorageUnavailableError, match="conditional create: 4 of 4 writers"):
            await storage.start()
        await storage.stop()
