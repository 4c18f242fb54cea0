"""The timeline says what each connection has sent, while it is open and after its end."""

from api.session.session import Session
from storage.timeline import ConnectionSpan
from tests.api.conftest import ConnectionProbe
from tests.audio import pcm


def sent(span: ConnectionSpan) -> tuple[int | None, int | None, int | None]:
    return span.frames, span.chunks, span.bytes


async def test_open_connections_are_told_apart(session: Session) -> None:
    first, second = ConnectionProbe(), ConnectionProbe()
    for connection, frames in ((first, 10), (second, 20)):
        await session.attach(connection)
        await session.receive(connection, pcm(frames))
    await session.receive(first, pcm(5))
    spans = (await session.timeline()).connections
    assert [sent(span) for span in spans] == [(15, 2, 30), (20, 1, 40)]
    assert [span.ended_at for span in spans] == [None, None]


async def test_a_connection_that_resumes_a_stream_counts_from_its_own_begin(
    session: Session,
) -> None:
    first, second = ConnectionProbe(), ConnectionProbe()
    await session.attach(first)
    await session.receive(first, pcm(10))
    await session.detach(first)
    await session.resume(second)
    await session.receive(second, pcm(20))
    ended, is_open = (await session.timeline()).connections
    assert (sent(ended), sent(is_open)) == ((10, 1, 20), (20, 1, 40))
    assert ended.ended_at is not None
    assert is_open.ended_at is None
