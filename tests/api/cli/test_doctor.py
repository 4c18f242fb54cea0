"""The command ``sercuescribe doctor``."""

from pathlib import Path

import pytest

from tests.api.cli.command import run

pytestmark = pytest.mark.engine


def test_doctor_accepts_a_usable_folder_and_names_the_fault_of_another(tmp_path: Path) -> None:
    fit = run("doctor", AUDIO_STORAGE_PATH=str(tmp_path / "recordings"))
    assert fit.returncode == 0
    assert f"pass  folder                       {tmp_path / 'recordings'}" in fit.stdout
    assert list((tmp_path / "recordings").iterdir()) == []
    assert "pass  receipts" in fit.stdout
    (tmp_path / "file").touch()
    unfit = run("doctor", AUDIO_STORAGE_PATH=str(tmp_path / "file"))
    assert unfit.returncode == 1
    assert f"fail  folder                       {tmp_path / 'file'}: " in unfit.stdout
