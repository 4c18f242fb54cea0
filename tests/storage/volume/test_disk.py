"""The durability of files, and the id of the machine's boot."""

import os
from pathlib import Path
from uuid import UUID, uuid4

from storage.volume.disk import Disk, boot_id


def test_the_boot_id_is_the_kernels_and_the_same_for_every_disk() -> None:
    kernels = UUID(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    assert boot_id() == kernels
    assert Disk().boot_id == Disk().boot_id == kernels
    other = uuid4()
    assert Disk(boot_id=other).boot_id == other


def test_files_and_folders_can_be_made_durable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"audio")
    for path, sync in ((tmp_path / "file", Disk().sync), (tmp_path, Disk().sync_folder)):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            sync(descriptor)
        finally:
            os.close(descriptor)
