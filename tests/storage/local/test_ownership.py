"""A session of a folder has one owner among the workers."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from storage.errors import OwnedElsewhereError
from storage.local.folder import RecordingsFolder
from storage.local.ownership import Ownership
from storage.worker import Worker

ID = uuid4()


@pytest.fixture
def folder(tmp_path: Path) -> RecordingsFolder:
    folder = RecordingsFolder(tmp_path)
    folder.state(ID).mkdir(parents=True)
    return folder


def take(ownership: Ownership, session_id: UUID = ID) -> None:
    with ownership.taken(session_id):
        pass


def test_a_session_that_another_worker_owns_cannot_be_taken(folder: RecordingsFolder) -> None:
    first, second = (Ownership(folder, Worker(number, 2)) for number in (1, 2))
    take(first)
    with pytest.raises(OwnedElsewhereError) as error:
        take(second)
    assert error.value.address == "worker:1"
    assert (first.owner(ID), second.owner(ID)) == (None, "worker:1")
    first.give_up(ID)
    assert second.owner(ID) is None
    take(second)
    assert first.owner(ID) == "worker:2"


def test_a_look_at_the_owner_does_not_keep_a_worker_from_taking_the_session(
    folder: RecordingsFolder,
) -> None:
    first, second = (Ownership(folder, Worker(number, 2)) for number in (1, 2))
    for _ in range(100):
        take(first)
        first.give_up(ID)
        assert second.owner(ID) is None
    take(second)


def test_a_failure_gives_the_session_up(folder: RecordingsFolder) -> None:
    first, second = (Ownership(folder, Worker(number, 2)) for number in (1, 2))
    with pytest.raises(ZeroDivisionError), first.taken(ID):
        raise ZeroDivisionError
    take(second)


def test_a_lock_on_a_state_that_was_removed_does_not_count(folder: RecordingsFolder) -> None:
    first, second = (Ownership(folder, Worker(number, 2)) for number in (1, 2))
    take(first)
    shutil.rmtree(folder.state(ID))  # as at completion, and then a state is created again
    folder.state(ID).mkdir()
    take(second)
    assert second.owner(ID) is None
    assert Ownership(folder, Worker(3, 2)).owner(ID) == "worker:2"


def test_a_session_is_free_as_soon_as_its_worker_was_killed(folder: RecordingsFolder) -> None:
    program = f"""
from pathlib import Path; from uuid import UUID
from storage.local.folder import RecordingsFolder; from storage.local.ownership import Ownership
from storage.worker import Worker
with Ownership(RecordingsFolder(Path({str(folder.path)!r})), Worker(1, 2)).taken(UUID("{ID}")):
    print("taken", flush=True); input()
"""
    owner = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert owner.stdout is not None
    assert owner.stdin is not None
    with owner.stdout, owner.stdin:
        assert owner.stdout.readline() == b"taken\n"
        mine = Ownership(folder, Worker(2, 2))
        assert mine.owner(ID) == "worker:1"
        owner.kill()
        owner.wait()
    assert mine.owner(ID) is None
    take(mine)


def test_an_address_that_is_none_of_a_worker_is_not_used(folder: RecordingsFolder) -> None:
    first, second = (Ownership(folder, Worker(number, 2)) for number in (1, 2))
    take(first)
    folder.paths(ID).owner.write_text("http://192.0.2.1/")
    assert second.owner(ID) == ""


def test_the_only_process_of_a_folder_owns_all_sessions_without_locks(
    folder: RecordingsFolder,
) -> None:
    alone = Ownership(folder, None)
    take(alone)
    assert alone.owner(ID) is None
    assert list(folder.state(ID).iterdir()) == []
