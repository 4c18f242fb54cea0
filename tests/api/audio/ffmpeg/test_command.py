"""The ffmpeg binary that the service runs."""

from api.audio.ffmpeg.command import binary


def test_an_ffmpeg_binary_is_found_without_a_system_package() -> None:
    assert binary()
