"""Hearing a session without a gap, over lost connections and its end."""

import asyncio

import pytest

from sercuescribe_client import Client, SessionNotFoundError
from tests.audio import pcm
from tests.proxy import cutting_proxy
from tests.service import Service


async def test_a_listener_hears_all_audio_over_a_lost_connection(
    service: Service, client: Client
) -> None:
    async with (
        cutting_proxy(service) as proxy,
        Client(proxy.url) as listener,
        client.create(sample_rate=16000, channels=2) as session,
    ):
        await session.send(pcm(1000))
        await session.flush()
        heard, next_frame = b"", 0
        is_completing = False
        async for block in listener.listen(session.session_id):
            assert (block.frame, block.sample_rate, block.channels) == (next_frame, 16000, 2)
            heard += block.pcm
            next_frame += len(block.pcm) // 4
            if len(heard) == 2000:
                proxy.cut()
                await session.send(pcm(3000))
            elif not is_completing and len(heard) == 8000:
                is_completing = True
                await session.close()
    assert heard == pcm(1000) + pcm(3000)


async def test_a_listener_may_begin_at_a_frame(service: Service, client: Client) -> None:
    session_id = await service.record(pcm(1000))
    blocks = [block async for block in client.listen(session_id, begin=400)]
    assert blocks[0].frame == 400
    assert b"".join(block.pcm for block in blocks) == pcm(1000)[800:]


async def test_a_session_that_does_not_exist_is_an_error_at_once(client: Client) -> None:
    with pytest.raises(SessionNotFoundError):
        async with asyncio.timeout(20):
            async for _ in client.listen("019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"):
                pass
