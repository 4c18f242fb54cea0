"""Progress and report of commands that copy sessions."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from api.cli.copying import copy_all
from storage.local import FolderArchive, LocalStorage
from tests.audio import pcm
from tests.storage.archives import record

pytestmark = pytest.mark.engine


async def test_what_could_not_be_copied_is_counted_and_the_rest_is_copied(
    volume: LocalStorage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifests = [await record(volume, pcm(100, seed=n)) for n in range(5)]
    (tmp_path / f"{manifests[0].session_id}.wav").unlink()
    source, target = FolderArchive(tmp_path), FolderArchive(tmp_path / "target")
    target.create()
    assert not await copy_all(source, target, jobs=2)
    printed = capsys.readouterr()
    assert printed.out == "copied=4 changed=0 present=0 active=0 failed=1\n"
    assert printed.err.startswith(f"{manifests[0].session_id} failed: ")
    assert printed.err.endswith(" is missing\n")


async def test_a_terminal_shows_a_progress_bar(volume: LocalStorage, tmp_path: Path) -> None:
    await record(volume, pcm(100_000))
    target = tmp_path / "target.env"
    target.write_text(f"AUDIO_STORAGE_PATH={tmp_path / 'target'}\n")
    terminal, standard_error = os.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "api.cli", "migrate", str(target)],
        env={**os.environ, "AUDIO_STORAGE_PATH": str(tmp_path), "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=standard_error,
        check=True,
        timeout=30,
    )
    os.close(standard_error)
    shown = os.read(terminal, 65536).decode()
    os.close(terminal)
    assert "copying" in shown
    assert "200.1/200.1 kB" in shown
    assert done.stdout == b"copied=1 changed=0 present=0 active=0 failed=0\n"
