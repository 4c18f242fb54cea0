"""The ffmpeg binary that the service runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.audio.ffmpeg.command import binary


@pytest.fixture
def forgotten_binary() -> Iterator[None]:
    binary.cache_clear()
    yield
    binary.cache_clear()


def test_an_ffmpeg_binary_is_found_without_a_system_package() -> None:
    assert binary()


@pytest.mark.usefixtures("forgotten_binary")
def test_a_machine_without_ffmpeg_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def get_ffmpeg_exe() -> str:
        raise RuntimeError("No ffmpeg exe could be found.")

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("imageio_ffmpeg.get_ffmpeg_exe", get_ffmpeg_exe)
    with pytest.raises(RuntimeError, match="no ffmpeg: install one"):
        binary()
