"""The command ``sercuescribe reindex``."""

from pathlib import Path

import pytest

from tests.api.cli.command import run
from tests.storage.local.folders import write_session

pytestmark = pytest.mark.engine


def test_reindex_prints_what_it_has_changed_and_refuses_what_has_no_index(tmp_path: Path) -> None:
    write_session(tmp_path)
    done = run("reindex", AUDIO_STORAGE_PATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "added=1 removed=0 corrected=0\n")
    missing = run("reindex", AUDIO_STORAGE_PATH=str(tmp_path / "missing"))
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr == f"sercuescribe: {tmp_path / 'missing'} is no folder\n"
    bucket = run("reindex", STORAGE_BACKEND="s3", S3_BUCKET="recordings")
    assert bucket.returncode == 1
    assert "only a volume has this index" in bucket.stderr
