"""The outbox of a folder; tests/storage/test_conformance.py tests what all backends promise."""

import os
from pathlib import Path
from typing import Self

import pytest

from storage import files
from storage.errors import StorageUnavailableError
from storage.local.outbox import LocalOutbox, OutboxFolder
from storage.outbox import FIRST_SLOT, Place, slot_name
from tests.storage.conftest import file_size_limit


async def test_processes_on_one_folder_have_nodes_of_their_own(tmp_path: Path) -> None:
    first, second, third = (LocalOutbox(tmp_path) for _ in range(3))
    nodes = [await first.claim(), await second.claim(), await third.claim()]
    assert len(set(nodes)) == 3
    for node in nodes:
        await first.put(Place(node, FIRST_SLOT, "event"), b"{}")
    assert await first.abandoned() == []
    second.release()
    assert await first.abandoned() == [nodes[1]]
    assert await third.abandoned() == []  # one process delivers it
    first.release()
    third.release()


async def test_a_process_that_starts_again_gets_a_node_that_is_free(tmp_path: Path) -> None:
    first, second = LocalOutbox(tmp_path), LocalOutbox(tmp_path)
    nodes = [await first.claim(), await second.claim()]
    first.release()
    assert await first.claim() == nodes[0]
    assert await first.claim() == nodes[0]
    first.release()
    second.release()


async def test_a_node_whose_entries_another_process_has_delivered_is_free_again(
    tmp_path: Path,
) -> None:
    """Otherwise each crash would add a node."""
    first, second, third = (LocalOutbox(tmp_path) for _ in range(3))
    await first.claim()
    place = Place(await second.claim(), FIRST_SLOT, "event")
    await second.put(place, b"{}")
    second.release()
    assert await first.abandoned() == [place.node]
    await first.remove(place)
    assert await first.abandoned() == []
    assert await third.claim() == place.node
    first.release()
    third.release()


async def test_a_slot_that_has_become_empty_is_removed_and_can_be_used_again(
    tmp_path: Path,
) -> None:
    outbox = LocalOutbox(tmp_path)
    place = Place(await outbox.claim(), 7, "event")
    for _ in range(2):
        await outbox.put(place, b"{}")
        await outbox.remove(place)
        assert not (tmp_path / ".outbox" / place.node / slot_name(7)).exists()
    outbox.release()


async def test_what_is_no_entry_is_left_alone(tmp_path: Path) -> None:
    outbox = LocalOutbox(tmp_path)
    node = await outbox.claim()
    slot = tmp_path / ".outbox" / node / slot_name(7)
    (slot / "a-folder").mkdir(parents=True)
    (slot / "README.txt").touch()
    (tmp_path / ".outbox" / node / "notes").touch()
    (tmp_path / ".outbox" / node / slot_name(8)).touch()
    await outbox.put(Place(node, 9, "event"), b"{}")
    assert await outbox.page(node, 10) == [Place(node, 9, "event")]
    outbox.release()


async def test_a_write_that_fails_or_is_interrupted_leaves_no_entry_and_no_file(
    tmp_path: Path,
) -> None:
    outbox = LocalOutbox(tmp_path)
    node = await outbox.claim()
    with file_size_limit(10), pytest.raises(StorageUnavailableError):
        await outbox.put(Place(node, FIRST_SLOT, "event"), b"x" * 100)
    assert await outbox.page(node, 10) == []
    interrupted = tmp_path / ".outbox" / node / ".tmp-0123"
    interrupted.touch()
    outbox.release()
    assert await outbox.claim() == node
    left = {path.name for path in (tmp_path / ".outbox" / node).iterdir()}
    assert left == {".lock", slot_name(FIRST_SLOT)}
    outbox.release()


async def test_a_page_reads_no_more_names_than_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox, read = OutboxFolder(tmp_path), 0
    for n in range(30):
        await outbox.put(Place("0", 7 + n // 15, f"event-{n}"), b"{}")
    scandir = os.scandir

    class Counting:
        def __init__(self, path: Path) -> None:
            self._entries = scandir(path)

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            self._entries.close()

        def __iter__(self) -> Self:
            return self

        def __next__(self) -> os.DirEntry[str]:
            nonlocal read
            entry = next(self._entries)
            read += entry.name.startswith("event")
            return entry

    monkeypatch.setattr(os, "scandir", Counting)
    assert len(await outbox.page("0", 5)) == 5
    assert read == 5


async def test_the_names_of_an_entry_are_durable_when_put_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    sync_folder = files.sync_folder

    def noted(folder: Path) -> None:
        sync_folder(folder)
        synced.append(folder)

    monkeypatch.setattr(files, "sync_folder", noted)
    await OutboxFolder(tmp_path).put(Place("0", 7, "event"), b"{}")
    assert synced == [
        tmp_path,
        tmp_path / ".outbox",
        tmp_path / ".outbox" / "0",
        tmp_path / ".outbox" / "0" / slot_name(7),
    ]
