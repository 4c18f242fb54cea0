"""A download in several attempts: its bytes, its ETag, its name when it is complete."""

from pathlib import Path

import pytest

from sercuescribe_client.partial_file import PartialFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.wav"


def names(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir())


def test_the_file_gets_its_name_when_it_is_complete(path: Path) -> None:
    with PartialFile(path) as file:
        file.restart('"1"')
        file.append(b"abc")
        assert "x.wav" not in names(path)
        file.finish()
    assert path.read_bytes() == b"abc"
    assert names(path) == ["x.wav"]


def test_the_next_attempt_continues_the_same_file(path: Path) -> None:
    with PartialFile(path) as file:
        assert (file.size_bytes, file.etag) == (0, None)
        file.restart('"1"')
        file.append(b"abc")
    with PartialFile(path) as file:
        assert (file.size_bytes, file.etag) == (3, '"1"')
        file.append(b"def")
        file.finish()
    assert path.read_bytes() == b"abcdef"


def test_a_restart_drops_the_bytes_of_another_file(path: Path) -> None:
    with PartialFile(path) as file:
        file.restart('"1"')
        file.append(b"abc")
        file.restart('"2"')
        file.append(b"x")
    with PartialFile(path) as file:
        assert (file.size_bytes, file.etag) == (1, '"2"')


@pytest.mark.parametrize("etag", [None, 'W/"1"'])
def test_bytes_without_a_strong_etag_are_not_continued(path: Path, etag: str | None) -> None:
    with PartialFile(path) as file:
        file.restart('"1"')
        file.restart(etag)
        file.append(b"abc")
    with PartialFile(path) as file:
        assert (file.size_bytes, file.etag) == (3, None)


def test_an_attempt_without_a_byte_leaves_no_file(path: Path) -> None:
    with PartialFile(path):
        pass
    assert names(path) == []
