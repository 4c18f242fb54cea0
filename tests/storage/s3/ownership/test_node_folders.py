"""Spool folders belong to one process each, and none is left behind."""

from pathlib import Path
from uuid import uuid4

import pytest

from storage.errors import StorageUnavailableError
from storage.s3.ownership.node_folders import NodeFolders, SpoolPlace
from storage.volume.paths import state_name
from storage.worker import Worker

SESSION = uuid4()
STATE = state_name(SESSION)


def worker(root: Path, number: int) -> NodeFolders:
    return NodeFolders(root, Worker(number, 2))


def test_each_worker_has_a_numbered_folder_and_an_id_that_survives_it(tmp_path: Path) -> None:
    first, second = worker(tmp_path, 1), worker(tmp_path, 2)
    ids = [first.claim(), second.claim()]
    assert [first.paths, second.paths] == [[tmp_path / "1"], [tmp_path / "2"]]
    assert first.owns(ids[0])
    assert not first.owns(ids[1])
    second.release()
    assert worker(tmp_path, 3).claim() == ids[1]


def test_the_folder_of_a_dead_worker_is_adopted_once_and_removed_when_it_is_empty(
    tmp_path: Path,
) -> None:
    first, second, dead = (worker(tmp_path, number) for number in (1, 2, 3))
    first.claim()
    second.claim()
    dead_id = dead.claim()
    (tmp_path / "3" / STATE).mkdir()
    assert first.adopt() == []
    dead.release()
    assert first.adopt() == [tmp_path / "3"]
    assert second.adopt() == []
    assert first.owns(dead_id)
    assert second.sibling(dead_id) == "worker:1"
    (tmp_path / "3" / STATE).rmdir()
    assert first.adopt() == []
    assert not (tmp_path / "3").exists()
    assert not first.owns(dead_id)


def test_workers_find_the_one_that_has_a_spool(tmp_path: Path) -> None:
    first, second = worker(tmp_path, 1), worker(tmp_path, 2)
    first.claim()
    second_id = second.claim()
    (tmp_path / "2" / STATE).mkdir()
    assert first.spool_place(SESSION) == SpoolPlace(is_here=False, elsewhere="worker:2")
    assert second.spool_place(SESSION) == SpoolPlace(is_here=True, elsewhere=None)
    assert first.spool_place(uuid4()) == SpoolPlace()
    assert first.sibling(second_id) == "worker:2"
    assert second.sibling(second_id) is None
    assert first.sibling(str(uuid4())) is None


def test_a_process_that_serves_alone_has_the_root_and_adopts_the_folders_of_workers(
    tmp_path: Path,
) -> None:
    workers = [worker(tmp_path, number) for number in (1, 2)]
    ids = [each.claim() for each in workers]
    for each in workers:
        (each.paths[0] / STATE).mkdir()
        each.release()
    alone = NodeFolders(tmp_path)
    alone.claim()
    assert alone.adopt() == [tmp_path / "1", tmp_path / "2"]
    assert alone.paths == [tmp_path, tmp_path / "1", tmp_path / "2"]
    assert all(alone.owns(each) for each in ids)


def test_a_worker_adopts_the_spool_of_a_process_that_served_alone(tmp_path: Path) -> None:
    """Release 0.2.0 has its spool there, too."""
    alone = NodeFolders(tmp_path)
    node_id = alone.claim()
    assert (tmp_path / ".node").read_text() == node_id
    (tmp_path / STATE).mkdir()
    alone.release()
    first = worker(tmp_path, 1)
    first.claim()
    assert first.adopt() == [tmp_path]
    assert first.owns(node_id)


def test_a_second_service_cannot_have_the_root(tmp_path: Path) -> None:
    first = NodeFolders(tmp_path)
    first.claim()
    with pytest.raises(StorageUnavailableError, match="in use by another process"):
        NodeFolders(tmp_path).claim()
    first.release()
    NodeFolders(tmp_path).claim()


def test_a_damaged_node_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / ".node").write_bytes(b"\xff" * 100)
    first = worker(tmp_path, 1)
    node_id = first.claim()
    assert (tmp_path / "1" / ".node").read_text() == f"{node_id}worker:1"
