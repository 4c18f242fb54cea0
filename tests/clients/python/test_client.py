"""The client's calls without streaming: list, show, close, share and delete sessions."""

import asyncio
import socket
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from api.access.api_keys import key_line, new_key
from sercuescribe_client import (
    Client,
    LinkNotFoundError,
    SessionActiveError,
    SessionNotFoundError,
    UnreachableError,
    sync,
)
from tests.audio import pcm
from tests.service import Service

_UNKNOWN_ID = "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"


async def recorded(client: Client, user: str | None = None) -> str:
    async with client.create(sample_rate=16000, channels=2, user_id=user) as session:
        await session.send(pcm(16000, channels=2))
    return session.session_id


async def test_info_close_and_delete_act_on_one_session(client: Client) -> None:
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


async def test_list_yields_all_pages_newest_first(client: Client) -> None:
    made = [await recorded(client, "pages") for _ in range(5)]
    found = [info.session_id async for info in client.list(user_id="pages", page_size=2)]
    assert found == made[::-1]
    assert [info async for info in client.list(status="active", user_id="pages")] == []


async def test_list_finds_sessions_by_time_text_and_metadata(client: Client) -> None:
    made = []
    for title in ("Board Meeting", "Interview"):
        async with client.create(user_id="finder", title=title, metadata={"n": title}) as session:
            await session.send(pcm(10))
        made.append(session.session_id)
    times = [(await client.info(each)).created_at for each in made]

    async def found(**filters: Any) -> list[str]:
        return [info.session_id async for info in client.list(user_id="finder", **filters)]

    assert await found(oldest_first=True, page_size=1) == made
    assert await found(text="board meet") == made[:1]
    assert await found(metadata={"n": "Interview"}) == made[1:]
    assert await found(created_from=times[1]) == made[1:]
    assert await found(created_to=times[1]) == made[:1]


async def test_a_session_has_the_requested_parameters(client: Client) -> None:
    info = await client.info(await recorded(client))
    assert (info.sample_rate, info.channels, info.duration_seconds) == (16000, 2, 1.0)


async def test_title_and_metadata_are_given_at_creation_and_changed_later(client: Client) -> None:
    metadata = {"project": "radio & tv", "a.b": "ü"}
    async with client.create(title="Draft: 1/2", metadata=metadata) as session:
        await session.send(pcm(100))
        await session.flush()
        info = await client.info(session.session_id)
        assert (info.title, info.metadata) == ("Draft: 1/2", metadata)
        changed = await client.update(session.session_id, title="Interview")
        assert (changed.title, changed.metadata) == ("Interview", metadata)
    cleared = await client.update(session.session_id, title="", metadata={})
    assert (cleared.status, cleared.title, cleared.metadata) == ("completed", None, {})


async def test_a_recording_is_shared_by_links_which_are_listed_and_revoked(
    client: Client, service: Service
) -> None:
    session_id = await recorded(client)
    part = await client.share(
        session_id,
        lifetime=timedelta(hours=1),
        start_seconds=0.25,
        end_seconds=0.75,
        format="flac",
    )
    assert (part.start, part.end, part.format) == (0.25, 0.75, "flac")
    assert part.expires_at - part.created_at == timedelta(hours=1)
    whole = await client.share(session_id)
    assert (whole.start, whole.end, whole.format) == (None, None, None)
    for link in (part, whole):
        assert link.url is not None
        assert service.get(link.url.removeprefix(service.url)).status_code == 200
    listed = await client.links(session_id)
    assert [each.link_id for each in listed] == [part.link_id, whole.link_id]
    assert [each.url for each in listed] == [None, None]
    await client.unshare(session_id, part.link_id)
    assert [each.link_id for each in await client.links(session_id)] == [whole.link_id]
    for gone in (part.link_id, "../..", ""):
        with pytest.raises(LinkNotFoundError):
            await client.unshare(session_id, gone)


async def test_a_session_that_records_is_not_shared(client: Client) -> None:
    async with client.create() as session:
        await session.send(pcm(10))
        with pytest.raises(SessionActiveError):
            await client.share(session.session_id)


@pytest.mark.parametrize("session_id", [_UNKNOWN_ID, "nonsense", "../health", ""])
async def test_an_unknown_session_id_is_not_found(client: Client, session_id: str) -> None:
    with pytest.raises(SessionNotFoundError):
        await client.info(session_id)


async def test_an_unreachable_service_raises_an_error_at_once() -> None:
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
async def test_an_address_may_have_any_scheme_or_none(given: str, http: str, ws: str) -> None:
    async with Client(given) as client:
        assert (client._api.url, client._api.ws_url) == (http, ws)


@pytest.mark.parametrize("url", ["ftp://host", "", "http://", "http://host:port"])
def test_an_invalid_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not the address"):
        Client(url)


def test_a_key_together_with_a_token_is_refused() -> None:
    with pytest.raises(ValueError, match="either"):
        Client("http://localhost", key="a", token="b")


async def test_the_url_of_a_session_returns_its_audio(client: Client, service: Service) -> None:
    async with client.create() as session:
        await session.send(pcm(10))
    path = session.url.removeprefix(service.url)
    assert service.get(path).content == service.wav(session.session_id).read_bytes()


async def test_a_session_is_paused_resumed_and_marked_by_its_id(
    client: Client, service: Service
) -> None:
    created = service.post("/api/audio/sessions").json()
    session_id = created["session_id"]
    assert (await client.pause(session_id)).paused
    assert not (await client.resume(session_id)).paused
    await client.mark(session_id, "label")
    timeline = await client.timeline(session_id)
    assert len(timeline["pauses"]) == len(timeline["marks"]) == 1
    await client.close(session_id)


async def test_a_recording_has_a_waveform_a_token_and_a_stream(
    service: Service, client: Client
) -> None:
    session_id = await service.record(pcm(44100))
    waveform = await client.waveform(session_id, width=10, end=0.5)
    assert (waveform["channels"], 1 <= waveform["length"] <= 10) == (1, True)
    pieces = [data async for data in client.stream(session_id, start=0, end=0.1)]
    assert b"".join(pieces)[-8820:] == pcm(44100)[:8820]


async def test_a_token_for_one_session_records_to_it_and_is_not_in_its_text(
    start_service: Callable[..., Service],
) -> None:
    key = new_key(("record", "read"))
    service = start_service(
        auth_mode="api_key", api_keys=key_line(key, "alice", ("record", "read"))
    )
    async with Client(service.url, key=key) as client, client.create() as session:
        await session.detach()
        token = await client.create_token(session.session_id)
        assert token.scope == "record"
        assert token.token not in repr(token)
        assert key not in repr(client)
        async with Client(service.url, token=token.token) as other:
            async with other.attach(session.session_id) as resumed:
                await resumed.send(b"four")
            assert (await client.info(session.session_id)).total_chunks == 1


@pytest.mark.parametrize("asynchronous", [True, False], ids=["await", "sync"])
async def test_a_service_that_does_not_answer_is_given_up_after_the_timeout(
    asynchronous: bool,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:  # it accepts, and never answers
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        async with asyncio.timeout(20):  # below the default
            with pytest.raises(UnreachableError):
                if asynchronous:
                    async with Client(url, timeout_seconds=0.2) as client:
                        await client.info(_UNKNOWN_ID)
                else:
                    await asyncio.to_thread(info_without_await, url)


def info_without_await(url: str) -> None:
    with sync.Client(url, timeout_seconds=0.2) as client:
        client.info(_UNKNOWN_ID)
