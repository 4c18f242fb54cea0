"""Everything but streaming: sessions listed, looked at, closed, deleted."""

import pytest

from sercuescribe_client import Client, SessionNotFoundError, UnreachableError
from tests.audio import pcm
from tests.service import Service

_UNKNOWN_ID = "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"


async def recorded(client: Client, user: str | None = None) -> str:
    async with client.create(sample_rate=16000, channels=2, user_id=user) as session:
        await session.send(pcm(16000, channels=2))
    return session.session_id


async def test_info_close_and_delete_of_a_session(client: Client) -> None:
    async with client.create(format="pcm_s16le", user_id="alice") as session:
        await session.send(pcm(44100))
        await session.flush()
        active = await client.info(session.session_id)
        assert (active.status, active.user_id, active.format) == ("active", "alice", "pcm_s16le")
        assert active.completed_at is None
        closed = await client.close(session.session_id)
    assert (closed.status, closed.duration_seconds) == ("completed", 1.0)
    assert closed.completed_at is not None
    assert closed.completed_at >= closed.created_at
    await client.delete(session.session_id)
    with pytest.raises(SessionNotFoundError) as missing:
        await client.info(session.session_id)
    assert missing.value.session_id == session.session_id


async def test_the_list_goes_on_over_pages_newest_first(client: Client) -> None:
    made = [await recorded(client, "pages") for _ in range(5)]
    found = [info.session_id async for info in client.list(user_id="pages", page_size=2)]
    assert found == made[::-1]
    assert [info async for info in client.list(status="active", user_id="pages")] == []


async def test_parameters_of_the_session_are_those_asked_for(client: Client) -> None:
    info = await client.info(await recorded(client))
    assert (info.sample_rate, info.channels, info.duration_seconds) == (16000, 2, 1.0)


@pytest.mark.parametrize("session_id", [_UNKNOWN_ID, "nonsense", "../health", ""])
async def test_what_is_no_session_is_not_found(client: Client, session_id: str) -> None:
    with pytest.raises(SessionNotFoundError):
        await client.info(session_id)


async def test_nobody_there_is_told_at_once() -> None:
    async with Client("127.0.0.1:1") as client:
        with pytest.raises(UnreachableError, match=r"http://127\.0\.0\.1:1"):
            await client.info(_UNKNOWN_ID)


@pytest.mark.parametrize(
    ("given", "http", "ws"),
    [
        ("localhost:8000", "http://localhost:8000", "ws://localhost:8000/api/ws/audio"),
        ("wss://host/base/", "https://host/base", "wss://host/base/api/ws/audio"),
    ],
)
async def test_an_address_may_be_written_in_several_ways(given: str, http: str, ws: str) -> None:
    async with Client(given) as client:
        assert (client._api.url, client._api.ws_url) == (http, ws)


@pytest.mark.parametrize("url", ["ftp://host", "", "http://", "http://host:port"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not the address"):
        Client(url)


def test_a_key_and_a_token_are_one_too_many() -> None:
    with pytest.raises(ValueError, match="either"):
        Client("http://localhost", key="a", token="b")


async def test_the_address_of_the_audio_is_where_it_is_heard(
    client: Client, service: Service
) -> None:
    async with client.create() as session:
        await session.send(pcm(10))
    path = session.url.removeprefix(service.url)
    assert service.get(path).content == service.wav(session.session_id).read_bytes()
