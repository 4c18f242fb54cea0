"""The transcriber with a real service and a real recognizer."""

import asyncio
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from api.access.api_keys import key_line, new_key
from sercuescribe_client import Client, Session
from tests.audio import cut, pcm
from tests.examples.program import Program, run_example
from tests.proxy import cutting_proxy
from tests.service import Service

SPEECH = (Path(__file__).parent.parent / "data" / "goforward" / "goforward.raw").read_bytes()
TEXT = "go forward ten meters"
BYTES_PER_SECOND = 2 * 16000


def create_session(client: Client) -> Session:
    return client.create(sample_rate=16000, channels=1, format="pcm_s16le")


async def send_twice_realtime(session: Session, pieces: Iterator[bytes]) -> None:
    """Send the audio at twice real time."""
    for piece in pieces:
        await session.send(piece)
        await asyncio.sleep(len(piece) / BYTES_PER_SECOND / 2)


def final_lines(program: Program) -> list[str]:
    return [line for line in program.lines if not line.endswith("...")]


def partial_line_seconds(program: Program) -> list[float]:
    """Return the times of the partial results."""
    return [float(line.split()[0]) for line in program.lines if line.endswith("...")]


async def test_speech_is_printed_with_its_time_while_it_is_recorded(
    service: Service,
) -> None:
    async with Client(service.url) as client:
        async with (
            create_session(client) as session,
            run_example("transcriber.py", session.session_id, "--url", service.url) as program,
        ):
            await send_twice_realtime(session, cut(SPEECH, 3200))
            assert await program.wait_for_line("...")  # the session is still open
            await session.close()
            assert await program.wait() == 0
        assert program.error_lines == []
        (line,) = final_lines(program)
        begin, end, text = re.fullmatch(r" +(\S+) - (\S+)  (.+)", line).groups()  # type: ignore[union-attr]
        assert text == TEXT
        assert 0.3 < float(begin) < 0.7
        assert 2.2 < float(end) < 2.6
        assert partial_line_seconds(program) == sorted(set(partial_line_seconds(program)))


@pytest.mark.long
async def test_a_crash_of_the_service_does_not_change_the_text(
    start_service: Callable[..., Service],
) -> None:
    service, cut_at = start_service(), int(1.7 * BYTES_PER_SECOND)
    async with (
        Client(service.url) as client,
        create_session(client) as session,
        run_example("transcriber.py", session.session_id, "--url", service.url) as program,
    ):
        await send_twice_realtime(session, cut(SPEECH[:cut_at], 3200))
        assert await program.wait_for_line("forward ...")
        service.kill()
        assert await program.wait_for_line("connection lost")
        await asyncio.to_thread(service.start)
        await send_twice_realtime(session, cut(SPEECH[cut_at:], 3200))
        await session.close()
        assert await program.wait() == 0
    (line,) = final_lines(program)
    assert line.endswith(f"  {TEXT}")
    assert partial_line_seconds(program) == sorted(set(partial_line_seconds(program)))


async def test_lost_connections_do_not_change_the_text(service: Service) -> None:
    async with (
        cutting_proxy(service) as proxy,
        Client(service.url) as client,
        create_session(client) as session,
        run_example("transcriber.py", session.session_id, "--url", proxy.url) as program,
    ):
        for words, end_seconds in (("forward ...", 1.6), ("forward ten ...", 1.9)):
            begin = session.progress.chunks * 320
            await send_twice_realtime(
                session, cut(SPEECH[begin : int(end_seconds * BYTES_PER_SECOND)], 320)
            )
            assert await program.wait_for_line(words)
            proxy.cut()
        await send_twice_realtime(session, cut(SPEECH[session.progress.chunks * 320 :], 320))
        await session.close()
        assert await program.wait() == 0
    assert len(program.error_lines) == 2
    (line,) = final_lines(program)
    assert line.endswith(f"  {TEXT}")


async def test_a_completed_session_is_transcribed_to_its_last_sample(
    service: Service,
) -> None:
    async with Client(service.url) as client:
        async with create_session(client) as session:
            await session.send(SPEECH[: int(2.3 * BYTES_PER_SECOND)])
        async with run_example(
            "transcriber.py", session.session_id, "--url", service.url
        ) as program:
            assert await program.wait() == 0
    (line,) = final_lines(program)
    assert TEXT.removesuffix("s") in line


async def test_a_session_with_another_rate_is_refused_with_the_remedy(service: Service) -> None:
    async with Client(service.url) as client:
        async with client.create(sample_rate=8000, format="pcm_s16le") as session:
            await session.send(pcm(8000))
        async with run_example(
            "transcriber.py", session.session_id, "--url", service.url
        ) as program:
            assert await program.wait() == 1
    (error_line,) = program.error_lines
    assert "8000 Hz, 1 channel(s)" in error_line
    assert "sample_rate=16000 and channels=1" in error_line


async def test_an_unknown_session_is_reported(service: Service) -> None:
    async with run_example("transcriber.py", "none", "--url", service.url) as program:
        assert await program.wait() == 1
    assert program.error_lines == ["Error: Session not found"]


async def test_a_protected_session_needs_a_key(
    start_service: Callable[..., Service],
) -> None:
    key = new_key()
    line = key_line(key, "alice", ["record", "read"])
    service = start_service(auth_mode="api_key", api_keys=line)
    async with Client(service.url, key=key) as client, create_session(client) as session:
        await session.send(SPEECH)
    arguments = (session.session_id, "--url", service.url)
    async with run_example("transcriber.py", *arguments, "--key", key) as program:
        assert await program.wait() == 0
        assert final_lines(program)[0].endswith(TEXT)
    async with run_example("transcriber.py", *arguments) as program:
        assert await program.wait() == 1
        assert program.error_lines == ["Error: Authentication required"]
