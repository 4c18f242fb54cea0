"""The next message of the JavaScript client, without a network."""

from typing import Any

import pytest

from tests.clients.js.runtimes import CLIENT, JavaScriptError, Node

SETUP = f"""
const {{ Delivery }} = await import('{CLIENT}/client/delivery.js');
const {{ ReplayBuffer }} = await import('{CLIENT}/client/replay-buffer.js');
const buffer = new ReplayBuffer(1000);
const delivery = new Delivery(buffer, 3);
const sent = [];
const connection = {{
    bufferedAmount: 0,
    send: (chunk) => sent.push(chunk[0]),
    sendControl: (action) => sent.push(action),
}};
const counts = (chunk_count, persisted_chunk_count) => ({{ chunk_count, persisted_chunk_count }});
const add = (...values) => values.forEach((value) => buffer.add(Uint8Array.of(value)));
"""


async def sent(runtime: Node, code: str) -> list[Any]:
    return list(await runtime.evaluate(f"{SETUP}{code}; return sent"))


async def test_chunks_lost_with_a_node_are_sent_again(runtime: Node) -> None:
    code = """
        add(10, 11, 12, 13);
        delivery.beginConnection(counts(0, 0)); delivery.sendNext(connection);
        delivery.updateCounts(counts(3, 1)); delivery.sendNext(connection);
        delivery.beginConnection(counts(1, 1)); delivery.sendNext(connection);
    """
    assert await sent(runtime, code) == [10, 11, 12, 13, 11, 12, 13]


async def test_the_number_of_unacknowledged_chunks_is_limited(runtime: Node) -> None:
    code = """
        add(10, 11, 12, 13, 14);
        delivery.beginConnection(counts(0, 0)); delivery.sendNext(connection);
        delivery.updateCounts(counts(1, 0)); delivery.sendNext(connection);
    """
    assert await sent(runtime, code) == [10, 11, 12, 13]


async def test_no_chunk_is_sent_while_the_send_buffer_of_the_browser_is_full(runtime: Node) -> None:
    code = """
        add(10, 11);
        delivery.beginConnection(counts(0, 0));
        connection.bufferedAmount = 2 ** 20; delivery.sendNext(connection);
        sent.push('full');
        connection.bufferedAmount = 0; delivery.sendNext(connection);
    """
    assert await sent(runtime, code) == ["full", 10, 11]


async def test_close_session_is_sent_once_per_connection_after_all_is_persisted(
    runtime: Node,
) -> None:
    code = """
        add(10);
        delivery.beginConnection(counts(0, 0)); delivery.endInput(); delivery.sendNext(connection);
        delivery.updateCounts(counts(1, 0)); delivery.sendNext(connection);
        delivery.updateCounts(counts(1, 1)); delivery.sendNext(connection);
        delivery.sendNext(connection);
        delivery.beginConnection(counts(1, 1)); delivery.sendNext(connection);
    """
    assert await sent(runtime, code) == [10, "flush", "close_session", "close_session"]


async def test_an_existing_session_is_continued_at_its_chunk_count(
    runtime: Node,
) -> None:
    code = """
        add(10, 11);
        delivery.beginConnection(counts(7, 7)); delivery.sendNext(connection);
        delivery.beginConnection(counts(8, 7)); delivery.sendNext(connection);
    """
    assert await sent(runtime, code) == [10, 11, 11]


@pytest.mark.parametrize(
    ("greeting", "error"), [("counts(1, 1)", "chunks_lost"), ("counts(9, 2)", "session_shared")]
)
async def test_an_impossible_chunk_count_is_an_error(
    runtime: Node, greeting: str, error: str
) -> None:
    code = f"""
        add(10, 11, 12);
        delivery.beginConnection(counts(0, 0)); delivery.sendNext(connection);
        delivery.updateCounts(counts(3, 2));
        delivery.beginConnection({greeting});
    """
    with pytest.raises(JavaScriptError) as failure:
        await sent(runtime, code)
    assert failure.value.code == error
