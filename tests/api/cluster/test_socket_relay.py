"""The owner of a session answers WebSockets that reached another node."""

import json
from typing import Any, cast

import pytest
from websockets.sync.client import connect

from api.cluster.hop import HOP_HEADER
from api.cluster.socket_relay import SocketRelay
from api.observe.metrics import Metrics
from api.routes.client_socket import RawWebSocket
from tests.api.cluster.conftest import Nodes
from tests.audio import pcm


async def test_messages_pass_in_both_directions_and_the_close_code_is_the_owners(
    nodes: Nodes,
) -> None:
    owner, other = nodes
    async with owner.session() as client:
        await client.send(pcm(1000))
        client.drop()
    async with other.session(f"/{client.session_id}", resume="true") as again:
        assert again.greeting["chunk_count"] == 1
        assert (await again.send(pcm(1000, seed=1)))["chunk_count"] == 2
        assert (await again.control("status"))["chunk_count"] == 2
        assert owner.get(f"/api/audio/sessions/{client.session_id}").json()["connections"] == 1
        assert (await again.close_session())["status"] == "completed"
        assert await again.closed() == (1000, "Session closed")
    audio = other.get(f"/api/audio/sessions/{client.session_id}/audio?redirect=false")
    assert audio.content[80:] == pcm(1000) + pcm(1000, seed=1)


async def test_a_client_of_a_node_that_dies_is_told_to_try_again(nodes: Nodes) -> None:
    owner, other = nodes
    async with owner.session() as client, other.session(f"/{client.session_id}") as relayed:
        owner.kill()
        assert (await relayed.closed())[0] == 1012


async def test_a_socket_is_relayed_once(nodes: Nodes) -> None:
    owner, other = nodes
    async with owner.session() as client:
        url = f"{other.ws_url}/{client.session_id}"
        with connect(url, additional_headers={HOP_HEADER: "1"}) as socket:
            assert json.loads(socket.recv())["code"] == "node_unreachable"


@pytest.mark.parametrize(
    ("with_credentials", "target"),
    [
        (True, "/api/ws/call/twilio%2F/TOKEN?token=TOKEN&call_id=1"),
        (False, "/api/ws/call/twilio%2F?call_id=1"),
    ],
)
def test_the_owner_gets_the_url_as_it_was_sent_but_no_credentials_it_must_not_have(
    with_credentials: bool, target: str
) -> None:
    scope = {
        "type": "websocket",
        "raw_path": b"/api/ws/call/twilio%2F/TOKEN",
        "query_string": b"token=TOKEN&call_id=1",
        "path_params": {"dialect": "twilio/", "token": "TOKEN"},
    }
    relay = SocketRelay(
        max_message_bytes=1, silence_seconds=1, with_credentials=with_credentials, metrics=Metrics()
    )
    unused = cast("Any", None)
    assert relay._target(RawWebSocket(cast("Any", scope), unused, unused)) == target
