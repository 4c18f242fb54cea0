"""The kept chunks and the next message of a session, without a socket."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sercuescribe_client.delivery import CLOSE_MESSAGE, FLUSH_MESSAGE, Delivery
from sercuescribe_client.errors import ChunksLostError, SessionSharedError


def delivery(*, kept: int = 10_000, window: int = 1000) -> Delivery:
    return Delivery(max_unpersisted_bytes=kept, window_bytes=window)


def server_message(count: int, persisted: int = 0, **fields: Any) -> dict[str, Any]:
    message = {"session_id": "s", "chunk_count": count, "persisted_chunk_count": persisted}
    return {"type": "chunk", "status": "active", "duration_seconds": 0.0, **message, **fields}


def all_messages(state: Delivery) -> list[bytes | str]:
    return list(iter(state.next_message, None))


def test_a_new_connection_continues_with_the_chunk_named_in_the_greeting() -> None:
    state = delivery()
    state.receive_greeting(server_message(0))
    for chunk in (b"a", b"b", b"c"):
        state.add(chunk)
    assert all_messages(state) == [b"a", b"b", b"c"]
    state.receive_greeting(server_message(1))
    assert all_messages(state) == [b"b", b"c"]


def test_an_acknowledged_chunk_is_kept_until_it_is_persisted() -> None:
    state = delivery()
    state.receive_greeting(server_message(0))
    state.add(b"a")
    state.add(b"b")
    all_messages(state)
    state.receive_message(server_message(2, 1))
    state.receive_greeting(server_message(1, 1))  # the node is lost with its unpersisted chunks
    assert all_messages(state) == [b"b"]


def test_the_window_limits_the_bytes_in_flight() -> None:
    state = delivery(window=10)
    state.receive_greeting(server_message(0))
    for _ in range(3):
        state.add(b"12345")
    assert len(all_messages(state)) == 2
    assert not state.has_message()
    state.receive_message(server_message(1))
    assert len(all_messages(state)) == 1


def test_a_chunk_larger_than_the_window_is_sent_alone() -> None:
    state = delivery(window=1)
    state.receive_greeting(server_message(0))
    state.add(b"large")
    state.add(b"large")
    assert all_messages(state) == [b"large"]


def test_one_chunk_of_any_size_always_fits() -> None:
    state = delivery(kept=1)
    assert state.has_room(100)
    state.receive_greeting(server_message(0))
    state.add(bytes(100))
    assert not state.has_room(1)


def test_a_flush_is_sent_when_half_of_the_room_is_used() -> None:
    state = delivery(kept=1000)
    state.receive_greeting(server_message(0))
    state.add(bytes(600))
    assert [type(message) for message in all_messages(state)] == [bytes, str]
    state.receive_message(server_message(1, 1, type="control", action="flush"))
    assert state.unpersisted_bytes == 0
    assert all_messages(state) == []


def test_a_flush_is_sent_again_on_the_next_connection() -> None:
    state = delivery()
    state.receive_greeting(server_message(0))
    state.add(b"a")
    state.flush()
    assert all_messages(state) == [b"a", FLUSH_MESSAGE]
    state.receive_greeting(server_message(1))
    assert all_messages(state) == [FLUSH_MESSAGE]


def test_close_session_is_sent_after_all_chunks() -> None:
    state = delivery(window=1)
    state.receive_greeting(server_message(0))
    state.add(b"a")
    state.add(b"b")
    state.close()
    assert all_messages(state) == [b"a"]
    state.receive_message(server_message(1))
    assert all_messages(state) == [b"b", CLOSE_MESSAGE]
    state.receive_greeting(server_message(2))
    assert all_messages(state) == [CLOSE_MESSAGE]


def test_an_attached_session_continues_at_its_chunk_count() -> None:
    state = delivery()
    state.receive_greeting(server_message(7))
    state.add(b"a")
    assert all_messages(state) == [b"a"]
    state.receive_message(server_message(8))
    assert (state.acked, state.chunk_count) == (8, 8)


def test_lost_chunks_from_before_this_client_are_an_error() -> None:
    state = delivery()
    state.receive_greeting(server_message(7))
    with pytest.raises(ChunksLostError, match="lost chunks 5 to 6"):
        state.receive_greeting(server_message(5))


def test_a_count_above_the_sent_chunks_is_an_error() -> None:
    state = delivery()
    state.receive_greeting(server_message(0))
    state.add(b"a")
    all_messages(state)
    with pytest.raises(SessionSharedError):
        state.receive_message(server_message(2))


@given(seed=st.integers())
def test_the_service_gets_every_chunk_once_and_in_order_after_any_loss(seed: int) -> None:
    """The simulated service loses unpersisted chunks, and connections end at any moment."""
    draw = random.Random(seed)
    state = delivery(kept=draw.randint(1, 3000), window=draw.randint(1, 30))
    chunks = [bytes([number]) * (number % 7) for number in range(30)]
    left, has, persisted = list(chunks), list[bytes](), 0
    state.receive_greeting(server_message(0))
    while len(has) < len(chunks):
        event = draw.choice(["add", "send", "hear", "persist", "lose"])
        if event == "add" and left and state.has_room(len(left[0])):
            state.add(left.pop(0))
        elif event == "send" and (message := state.next_message()) is not None:
            if message == FLUSH_MESSAGE:
                persisted = len(has)
                state.receive_message(
                    server_message(len(has), persisted, type="control", action="flush")
                )
            else:
                assert isinstance(message, bytes)
                has.append(message)
        elif event == "hear":
            state.receive_message(server_message(len(has), persisted))
        elif event == "persist":
            persisted = len(has)
        elif event == "lose" and draw.random() < 0.3:
            del has[draw.randint(persisted, len(has)) :]
            state.receive_greeting(server_message(len(has), persisted))
    assert has == chunks
