"""The settings select the storage backend."""

import subprocess
import sys
from pathlib import Path

import pytest

from api.backend import bucket_settings, create_storage, examine, preflight
from api.clock import SystemClock
from api.settings import Settings
from storage.errors import StorageUnavailableError
from storage.local import LocalStorage
from storage.s3 import S3Storage


def test_storage_backend_selects_a_folder_or_a_bucket(tmp_path: Path) -> None:
    local = Settings(audio_storage_path=str(tmp_path))
    assert isinstance(create_storage(local, SystemClock()), LocalStorage)
    bucket = Settings(storage_backend="s3", s3_bucket="rec", audio_storage_path=str(tmp_path))
    assert isinstance(create_storage(bucket, SystemClock()), S3Storage)


def test_a_bucket_setting_that_is_empty_is_none() -> None:
    empty = bucket_settings(Settings(storage_backend="s3", s3_bucket="rec"))
    assert (empty.bucket, empty.endpoint_url, empty.region) == ("rec", None, None)
    full = bucket_settings(Settings(s3_bucket="rec", s3_prefix="a/", s3_endpoint_url="http://x"))
    assert (full.prefix, full.endpoint_url) == ("a/", "http://x")


async def test_the_doctor_checks_ffmpeg_and_then_the_storage(tmp_path: Path) -> None:
    settings = Settings(audio_storage_path=str(tmp_path))
    findings = [finding async for finding in examine(settings, "https://page.example")]
    assert [finding.check for finding in findings] == ["ffmpeg", "receipts", "folder", "space"]
    assert {finding.outcome for finding in findings} <= {"pass", "note"}


async def test_a_service_that_could_not_record_is_refused_before_it_listens(
    tmp_path: Path,
) -> None:
    await preflight(Settings(audio_storage_path=str(tmp_path / "new")))
    (tmp_path / "file").touch()
    with pytest.raises(StorageUnavailableError, match="file"):
        await preflight(Settings(audio_storage_path=str(tmp_path / "file")))


def test_a_service_on_a_volume_without_tokens_loads_neither_the_s3_client_nor_http_clients() -> (
    None
):
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, api.app; print(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert "storage.local" in loaded
    assert not {"botocore", "boto3", "aiohttp", "httpx", "pydub"}.intersection(loaded)
