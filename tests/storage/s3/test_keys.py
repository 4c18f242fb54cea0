import uuid
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import uuid_utils.compat

from storage.outbox import Place
from storage.s3 import keys
from storage.s3.keys import SessionKeys

SESSION = SessionKeys(uuid.UUID("019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"))
CALL = "0123456789abcdef" * 2


@pytest.mark.parametrize("user_id", [None, "alice", "slashes/../and\nöther things"])
def test_every_index_key_names_its_session(user_id: str | None) -> None:
    for key in (SESSION.active, *SESSION.index(user_id)):
        assert keys.session_of(key) == SESSION.session_id


def test_the_index_sorts_the_newest_session_first() -> None:
    ids = [uuid_utils.compat.uuid7() for _ in range(100)]
    by_time = sorted(SessionKeys(each).index(None)[0] for each in ids)
    assert [keys.session_of(key) for key in by_time] == sorted(ids, reverse=True)


def test_a_cursor_is_the_index_entry_of_its_session() -> None:
    assert SESSION.index(None) == [keys.BY_TIME + keys.index_entry(SESSION.session_id)]


def test_each_user_has_a_separate_index_below_a_hashed_key() -> None:
    assert keys.by_user("a") != keys.by_user("b")
    assert keys.by_user("../" * 1000).count("/") == 3


def test_times_of_expiry_sort_and_name_their_session() -> None:
    times = [datetime(year, 5, 1, tzinfo=UTC) for year in (1, 1969, 2026, 2027, 9999)]
    names = [SESSION.expiry(each)[0] for each in times]
    assert names == sorted(names)
    assert [keys.session_of(name) for name in names] == [SESSION.session_id] * 5
    assert [(keys.expiry_of(name) or (0,))[0] for name in names] == [
        max(0, int(each.timestamp())) for each in times
    ]
    assert SESSION.expiry(None) == []


def test_the_mark_of_a_call_names_its_session_and_no_other_call_finds_it() -> None:
    (mark,) = SESSION.call(CALL)
    assert keys.session_of(mark) == SESSION.session_id
    assert mark.startswith(keys.by_call(CALL))
    assert not mark.startswith(keys.by_call("0" * 32))
    assert SESSION.call(None) == []


def test_segments_sort_by_their_sequence() -> None:
    sequences = [0, 1, 9, 10, 99_999, 99_999_999]
    names = [SESSION.segment(sequence) for sequence in sequences]
    assert names == sorted(names)
    assert [keys.segment_sequence(name) for name in names] == sequences


def test_raw_input_sorts_by_its_offset() -> None:
    offsets = [0, 7, 8 * 1024**2, 10**12 - 1]
    names = [SESSION.input(3, offset, 1) for offset in offsets]
    assert names == sorted(names)
    assert [keys.input_offset(name) for name in names] == offsets
    assert all(name.startswith(SESSION.input_of(3)) for name in names)


@pytest.mark.parametrize(
    ("key", "parse"),
    [
        (SESSION.active, keys.session_of),
        (SESSION.index(None)[0], keys.session_of),
        (SESSION.call(CALL)[0], keys.session_of),
        (SESSION.segment(12), keys.segment_sequence),
        (SESSION.input(1, 4096, 2), keys.input_offset),
        (SESSION.epoch(3), keys.epoch_of),
        (SESSION.expiry(datetime(2026, 5, 1, tzinfo=UTC))[0], keys.expiry_of),
        (f"{keys.NODES}{SESSION.session_id}", keys.node_of),
    ],
)
def test_keys_that_the_service_would_not_build_are_recognised_as_foreign(
    key: str, parse: Callable[[str], object]
) -> None:
    folder, _, name = key.rpartition("/")
    assert parse(key) is not None
    foreign = {"", "README", f"{name}.bak", f"0{name}x", "-1", "+5", "١٢"}
    foreign |= {name.upper(), name.replace("-", ""), f"{{{name}}}"} - {name}
    assert [each for each in foreign if parse(f"{folder}/{each}") is not None] == []


def test_one_stream_is_no_prefix_of_another() -> None:
    assert not SESSION.input(12, 0, 1).startswith(SESSION.input_of(1))


def test_temporary_objects_of_a_session_are_below_its_folder() -> None:
    for key in (SESSION.segment(0), SESSION.input(1, 0, 1)):
        assert key.startswith(SESSION.folder)
    for key in (SESSION.audio, SESSION.manifest, SESSION.active):
        assert not key.startswith(SESSION.folder)


def test_a_name_at_the_top_level_is_parsed_into_session_and_rest() -> None:
    names = {SESSION.audio: ".wav", SESSION.manifest: ".json", SESSION.folder: "/"}
    for name, rest in names.items():
        assert keys.top_level_name(name) == (SESSION.session_id, rest)
    for name in ("_nodes/", "README.txt", "", SESSION.audio.upper(), f"x{SESSION.audio}"):
        assert keys.top_level_name(name) is None


def test_the_key_of_an_outbox_entry_is_parsed_into_its_place() -> None:
    place = Place(str(SESSION.session_id), 29_000_000, f"{SESSION.session_id}-completed")
    assert keys.outbox_place(keys.outbox_entry(place)) == place
    for key in ("_outbox/", "_outbox/dead", "_outbox/dead/1-x", "_outbox/A/000000001-x"):
        assert keys.outbox_place(key) is None
