"""New sessions leave free space to those that record."""

import shutil
from pathlib import Path

import pytest

from api.session.disk_reserve import DiskReserve
from api.wire.errors import DiskReserveError

_MEBIBYTE = 1024 * 1024


async def test_less_free_space_than_the_reserve_is_refused_with_both_numbers(
    tmp_path: Path,
) -> None:
    total_mb = shutil.disk_usage(tmp_path).total // _MEBIBYTE
    with pytest.raises(DiskReserveError, match=f"MiB free, new sessions need {total_mb + 1} "):
        await DiskReserve(tmp_path, total_mb + 1).check()


async def test_more_free_space_than_the_reserve_is_accepted(tmp_path: Path) -> None:
    await DiskReserve(tmp_path, 1).check()


async def test_without_a_reserve_and_without_a_folder_nothing_is_refused(tmp_path: Path) -> None:
    await DiskReserve(tmp_path, 0).check()
    await DiskReserve(tmp_path / "missing", 1).check()
