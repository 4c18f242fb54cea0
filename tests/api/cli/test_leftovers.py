"""The command ``sercuescribe gc``."""

import os
import time
from pathlib import Path

import pytest

from tests import engines
from tests.api.cli.command import run
from tests.storage.conftest import new_manifest

pytestmark = pytest.mark.engine


def leftover(folder: Path) -> Path:
    path = folder / ".upload.tmp"
    path.write_bytes(b"12345")
    two_days_ago = time.time() - 2 * 86400
    os.utime(path, (two_days_ago, two_days_ago))
    return path


def test_gc_prints_what_it_would_delete_and_deletes_only_if_it_is_told_to(tmp_path: Path) -> None:
    path, folder = leftover(tmp_path), {"AUDIO_STORAGE_PATH": str(tmp_path)}
    dry = run("gc", **folder)
    assert dry.returncode == 0
    assert dry.stdout.startswith(f"temporary file: {path}  5 bytes  20")
    assert dry.stdout.endswith("\nfound=1 bytes=5 deleted=0 failed=0\n")
    assert "Nothing was deleted" in dry.stderr
    assert path.exists()
    younger = run("gc", "--delete", "--older-than", "72", **folder)
    assert younger.stdout == "found=0 bytes=0 deleted=0 failed=0\n"
    done = run("gc", "--delete", **folder)
    assert done.stdout.endswith("\nfound=1 bytes=5 deleted=1 failed=0\n")
    assert not path.exists()


def test_gc_names_what_it_leaves_alone(tmp_path: Path) -> None:
    session_id = new_manifest().session_id
    state = tmp_path / ".active" / f"{session_id}.state"
    state.mkdir(parents=True)
    os.utime(state, (0, 0))
    (tmp_path / f"{session_id}.json").write_text("{")
    done = run("gc", AUDIO_STORAGE_PATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "found=0 bytes=0 deleted=0 failed=0\n")
    assert done.stderr.startswith(f"left alone: {state}: ")


def test_gc_looks_into_a_bucket(tmp_path: Path, moto_url: str) -> None:
    done = run(
        "gc",
        STORAGE_BACKEND="s3",
        S3_BUCKET=engines.BUCKET,
        S3_PREFIX=f"{tmp_path.name}/",
        S3_ENDPOINT_URL=moto_url,
        AUDIO_STORAGE_PATH=str(tmp_path),
    )
    assert (done.returncode, done.stdout) == (0, "found=0 bytes=0 deleted=0 failed=0\n")


def test_a_storage_that_is_missing_is_an_error(tmp_path: Path) -> None:
    done = run("gc", AUDIO_STORAGE_PATH=str(tmp_path / "missing"))
    assert done.returncode == 1
    assert "is no folder" in done.stderr
