"""The ffmpeg that the service runs."""

from api.audio.ffmpeg.command import binary


def test_there_is_an_ffmpeg_without_anything_installed() -> None:
    assert binary()
