"""The lock of changes waits for another process, for a limited time."""

import fcntl
import os
from pathlib import Path

import pytest

from storage.errors import StorageUnavailableError
from storage.local.changes_lock import ChangesLock


def test_the_lock_waits_for_a_process_that_hangs_only_for_a_while(tmp_path: Path) -> None:
    path = tmp_path / ".changes.lock"
    other = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(other, fcntl.LOCK_EX)
    with (
        pytest.raises(StorageUnavailableError, match="another process"),
        ChangesLock(path, wait_seconds=0.01).held(),
    ):
        pass
    os.close(other)
    with ChangesLock(path, wait_seconds=0.01).held():
        assert path.exists()
