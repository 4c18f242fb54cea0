"""Shared links of a folder that was changed by other programs, and by a deletion meanwhile."""

from pathlib import Path
from uuid import UUID

import pytest

from storage.errors import RecordingNotFoundError
from storage.local import LocalStorage
from tests.audio import pcm
from tests.storage.archives import record
from tests.storage.test_shared_links import link


async def test_a_file_in_place_of_the_links_and_a_folder_in_place_of_a_link_are_left_alone(
    tmp_path: Path, volume: LocalStorage
) -> None:
    first, second = [UUID((await record(volume, pcm(10))).session_id) for _ in range(2)]
    (tmp_path / f"{first}.links").write_text("notes")
    (tmp_path / f"{second}.links" / f"{link(1).link_id}.json").mkdir(parents=True)
    (tmp_path / f"{second}.links" / "notes.json").write_text("notes")
    for each in (first, second):
        assert await volume.shared_links.all(each) == []
        assert await volume.shared_links.get(each, link(1).link_id) is None
    assert not await volume.shared_links.remove(first, link(1).link_id)


async def test_a_link_that_is_added_while_its_session_is_deleted_does_not_remain(
    tmp_path: Path, volume: LocalStorage
) -> None:
    session_id = UUID((await record(volume, pcm(10))).session_id)
    (tmp_path / f"{session_id}.wav").unlink()  # what a deletion does first
    with pytest.raises(RecordingNotFoundError):
        await volume.shared_links.add(session_id, link(1))
    assert not (tmp_path / f"{session_id}.links").exists()
