"""The owner of a session answers WebSockets that reached another node."""

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from websockets.asyncio.server import ServerConnection, unix_serve
from websockets.sync.client import connect

from api.cluster.hop import HOP_HEADER
from api.cluster.socket_relay import SocketRelay
from api.observe.metrics import Metrics
from api.routes.client_socket import RawWebSocket
from api.workers.sockets import WorkerSockets
from storage.worker import worker_address
from tests.api.cluster.conftest import Nodes
from tests.audio import pcm
from tests.eventually import eventually


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


async def test_a_worker_that_has_taken_the_session_up_since_the_handshake_gets_the_socket(
    tmp_path: Path,
) -> None:
    """Two workers of a service that starts may look for the owner before there is one."""
    sockets = WorkerSockets(tmp_path)

    async def greet(owner: ServerConnection) -> None:
        await owner.send(f"hello {owner.request and owner.request.path}")
        await owner.close(1000, "Session closed")

    state = SimpleNamespace(tracing=SimpleNamespace(headers=dict))
    scope = {
        "type": "websocket", "scheme": "ws", "path": "/", "raw_path": b"/api/ws/audio/1",
        "query_string": b"resume=true", "path_params": {}, "headers": [], "subprotocols": [],
        "litestar_app": SimpleNamespace(state=state),
    }  # fmt: skip
    sent: list[Any] = []

    async def send(event: Any) -> None:
        sent.append(event)

    socket = RawWebSocket(cast("Any", scope), cast("Any", asyncio.Event().wait), send)
    socket.connection_state = "receive"
    relay = SocketRelay(
        max_message_bytes=100, silence_seconds=60, with_credentials=True, metrics=Metrics(),
        sockets=sockets,
    )  # fmt: skip
    async with unix_serve(greet, str(sockets.http(2))):
        relaying = asyncio.create_task(relay(socket, worker_address(2)))
        await eventually(lambda: sent[-1:] and sent[-1]["type"] == "websocket.close", awaiting="it")
        relaying.cancel()
        await asyncio.gather(relaying, return_exceptions=True)
    assert sent[0]["text"] == "hello /api/ws/audio/1?resume=true"
    assert (sent[-1]["code"], sent[-1]["reason"]) == (1000, "Session closed")
