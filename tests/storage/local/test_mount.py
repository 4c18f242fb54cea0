"""Several workers need a file system of this machine."""

from pathlib import Path

import pytest

from storage.errors import StorageUnavailableError
from storage.local.mount import check_machine_owns


def line(point: Path, kind: str) -> str:
    escaped = str(point).replace(" ", "\\040")
    return f"36 35 98:0 / {escaped} rw,noatime master:1 - {kind} server:/export rw\n"


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "ceph", "lustre", "fuse.sshfs"])
def test_a_network_file_system_is_refused(tmp_path: Path, kind: str) -> None:
    (tmp_path / "with space").mkdir()
    mounts = tmp_path / "mounts"
    mounts.write_text(line(Path("/"), "ext4") + line(tmp_path / "with space", kind))
    with pytest.raises(StorageUnavailableError, match=f"network file system .{kind}.*WORKERS=1"):
        check_machine_owns(tmp_path / "with space" / "recordings", mounts)
    check_machine_owns(tmp_path / "recordings", mounts)


def test_what_is_mounted_last_and_nearest_counts(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        line(tmp_path, "nfs4")
        + line(Path("/"), "nfs")
        + line(tmp_path, "xfs")
        + line(Path("/x"), "nfs")
    )
    check_machine_owns(tmp_path, mounts)


def test_the_folder_of_the_tests_is_on_this_machine(tmp_path: Path) -> None:
    check_machine_owns(tmp_path)
