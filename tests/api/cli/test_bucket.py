"""The command ``sercuescribe bucket``."""

import pytest

from tests.api.cli.command import run

pytestmark = pytest.mark.engine


def test_bucket_init_prepares_a_bucket_that_doctor_accepts(moto_url: str) -> None:
    settings = {"STORAGE_BACKEND": "s3", "S3_BUCKET": "by-hand", "S3_ENDPOINT_URL": moto_url}
    missing = run("doctor", **settings)
    assert missing.returncode == 1
    assert "sercuescribe bucket init" in missing.stdout
    prepared = run("bucket", "init", "--origin", "https://page.example", **settings)
    assert (prepared.returncode, prepared.stderr) == (0, "")
    assert prepared.stdout.splitlines() == [
        "bucket by-hand created",
        "unfinished uploads are aborted after 7 days",
        "pages of https://page.example may read",
    ]
    again = run("bucket", "init", "--version-days", "7", **settings)
    assert "; the bucket has no versions" in again.stdout
    assert run("doctor", **settings).returncode == 0
