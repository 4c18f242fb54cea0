"""Which files the arguments of ``sercuescribe record`` name."""

from pathlib import Path

import click
import pytest

from sercuescribe_client.cli.paths import AudioPath, find_paths


def test_a_folder_gives_its_files_by_name_without_hidden_ones(tmp_path: Path) -> None:
    for name in ("b.wav", "a.flac", ".hidden.wav", ".git/x.wav", "sub/c.mp3", "sub/cover.jpg"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"12")
    assert find_paths((str(tmp_path), "-"), is_recursive=True) == [
        AudioPath(f"{tmp_path}/a.flac", 2),
        AudioPath(f"{tmp_path}/b.wav", 2),
        AudioPath(f"{tmp_path}/sub/c.mp3", 2),
        AudioPath(f"{tmp_path}/sub/cover.jpg", 2, is_expected=False),
        AudioPath("-", None),
    ]


def test_folders_need_the_option_and_at_least_one_name_must_exist(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="--recursive"):
        find_paths((str(tmp_path),), is_recursive=False)
    with pytest.raises(click.UsageError, match="no files"):
        find_paths((str(tmp_path),), is_recursive=True)
    missing = str(tmp_path / "missing.wav")
    with pytest.raises(click.UsageError, match="no such file"):
        find_paths((missing,), is_recursive=False)
    assert [each.name for each in find_paths((missing, "-"), is_recursive=False)] == [missing, "-"]
