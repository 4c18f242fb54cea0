"""The doctor tries on a folder what recording needs, and leaves nothing there."""

from pathlib import Path

from storage.local import LocalStorage
from storage.local.doctor import examine


async def outcomes(folder: Path) -> dict[str, str]:
    return {finding.check: finding.outcome async for finding in examine(folder)}


async def test_a_folder_that_can_be_written_passes_and_stays_empty(tmp_path: Path) -> None:
    found = await outcomes(tmp_path / "new")
    assert found["folder"] == "pass"
    assert found["space"] in {"pass", "note"}
    assert list((tmp_path / "new").iterdir()) == []


async def test_the_doctor_runs_beside_the_service(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    await storage.start()
    assert (await outcomes(tmp_path))["folder"] == "pass"
    await storage.stop()


async def test_a_folder_that_cannot_be_written_fails_the_first_and_only_check(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    (finding,) = [finding async for finding in examine(tmp_path / "file")]
    assert (finding.check, finding.outcome) == ("folder", "fail")
    assert finding.detail.startswith(f"{tmp_path / 'file'}: ")
    assert "local file system" in finding.advice
