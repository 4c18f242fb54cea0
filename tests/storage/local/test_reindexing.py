"""Reindexing corrects the index by hand, beside the service."""

from pathlib import Path

import pytest

from storage.errors import StorageUnavailableError
from storage.local import reindex
from storage.local.comparison import Changes
from tests.storage.conftest import new_manifest
from tests.storage.local.folders import is_complete, listed, running, write_session


async def test_changes_made_while_the_service_runs_are_found(tmp_path: Path) -> None:
    edited, removed = write_session(tmp_path, user_id="a"), write_session(tmp_path)
    async with running(tmp_path) as storage:
        recording = await storage.create(new_manifest())
        (tmp_path / f"{removed.session_id}.json").unlink()
        path = tmp_path / f"{edited.session_id}.json"
        path.write_bytes(path.read_bytes().replace(b'"a"', b'"b"'))
        added = write_session(tmp_path, user_id="b")
        assert reindex(tmp_path) == Changes(added=1, removed=1, corrected=1)
        assert await listed(storage, user_id="b") == [added.session_id, edited.session_id]
        assert reindex(tmp_path) == Changes()
        recording.abandon()


def test_a_damaged_index_is_replaced(tmp_path: Path) -> None:
    write_session(tmp_path)
    (tmp_path / ".index").mkdir()
    (tmp_path / ".index" / "sessions.sqlite").write_bytes(b"hello" * 1000)
    assert reindex(tmp_path) == Changes(added=1)
    assert is_complete(tmp_path)


def test_a_folder_that_does_not_exist_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailableError, match="is no folder"):
        reindex(tmp_path / "missing")
    assert list(tmp_path.iterdir()) == []
