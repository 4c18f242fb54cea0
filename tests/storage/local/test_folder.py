"""The folder of recordings: names and manifests."""

from pathlib import Path
from uuid import UUID

import pytest

from storage.errors import BadObjectError, RecordingNotFoundError
from storage.local.folder import RecordingsFolder
from tests.storage.local.folders import write_session

UNKNOWN = UUID("019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b")


def test_sessions_are_those_with_a_manifest_newest_first(tmp_path: Path) -> None:
    made = [UUID(write_session(tmp_path).session_id) for _ in range(3)]
    for name in ("other.json", f"{UNKNOWN}.json.json", f"{str(UNKNOWN).upper()}.json"):
        (tmp_path / name).touch()
    (tmp_path / f"{UNKNOWN}.wav").touch()
    assert list(RecordingsFolder(tmp_path).sessions()) == made[::-1]


def test_a_manifest_is_read_missing_or_damaged(tmp_path: Path) -> None:
    folder, manifest = RecordingsFolder(tmp_path), write_session(tmp_path)
    assert folder.manifest(UUID(manifest.session_id)) == manifest
    with pytest.raises(RecordingNotFoundError):
        folder.manifest(UNKNOWN)
    assert not folder.has_manifest(UNKNOWN)
    folder.paths(UNKNOWN).manifest.mkdir()
    with pytest.raises(BadObjectError):
        folder.manifest(UNKNOWN)
    assert folder.has_manifest(UNKNOWN)
