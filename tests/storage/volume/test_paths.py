"""Parsing of file names."""

from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.volume.paths import SessionPaths, session_of_manifest, session_of_state


@given(st.uuids())
def test_the_session_id_is_parsed_from_a_file_name(session_id: UUID) -> None:
    paths = SessionPaths(Path("folder"), session_id)
    assert session_of_manifest(paths.manifest.name) == session_id
    assert session_of_state(paths.state.name) == session_id
    assert session_of_manifest(paths.audio.name) is None


@pytest.mark.parametrize(
    "name", ["", ".json", "notes.json", "019AA1B2-7C3D-7E4F-8A5B-6C7D8E9F0A1B.json", ".probe"]
)
def test_other_names_have_no_session_id(name: str) -> None:
    assert session_of_manifest(name) is None
    assert session_of_state(name) is None


def test_a_creation_that_failed_leaves_no_mark_of_a_call(tmp_path: Path) -> None:
    paths = SessionPaths(tmp_path, UUID("019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"))
    paths.state.mkdir()
    paths.call("ab" * 16).touch()
    paths.remove_created("ab" * 16)
    assert list(tmp_path.iterdir()) == []
