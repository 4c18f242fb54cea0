"""Pixels in a file can be sliced like bytes, for as long as they are needed."""

from pathlib import Path

import psutil
import pytest

from storage.waveform.pixels import FilePixels, part_of

DATA = bytes(range(100))
BOUNDS = [(0, 0), (0, 100), (0, 1), (40, 70), (59, 61), (60, 60), (60, 100), (99, 200), (70, 20)]


@pytest.fixture
def pixels(tmp_path: Path) -> FilePixels:
    """Sixty bytes of a file behind a header, then forty in memory."""
    path = tmp_path / "waveform"
    path.write_bytes(b"head" + DATA[:60])
    found = FilePixels.open(path, offset=4)
    assert found is not None
    path.unlink()  # what is open can still be read
    return found.part(0, 60, DATA[60:])


@pytest.mark.parametrize(("start", "stop"), BOUNDS)
def test_slices_and_parts_are_those_of_the_bytes(pixels: FilePixels, start: int, stop: int) -> None:
    assert pixels[start:stop] == DATA[start:stop]
    part = part_of(pixels, start, stop, b"more")
    assert (part, len(part)) == (DATA[start:stop] + b"more", len(DATA[start:stop]) + 4)
    for inner_start, inner_stop in BOUNDS:
        inner = (DATA[start:stop] + b"more")[inner_start:inner_stop]
        assert part_of(part, inner_start, inner_stop) == inner


def test_a_missing_file_is_none_and_the_descriptor_closes_with_the_last_part(
    tmp_path: Path,
) -> None:
    assert FilePixels.open(tmp_path / "waveform") is None
    descriptors = psutil.Process().num_fds()
    (tmp_path / "waveform").write_bytes(DATA)
    found = FilePixels.open(tmp_path / "waveform")
    assert found is not None
    part = found.part(10, 20)
    del found
    assert part[:] == DATA[10:20]
    del part
    assert psutil.Process().num_fds() == descriptors
