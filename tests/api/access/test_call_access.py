"""A call is recorded with a credential that may create it, and nothing before it is shown."""

import asyncio
import base64
import contextlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from api.access.api_keys import key_line, new_key
from tests.api.access.test_call_signatures import SECRET, sha1
from tests.calls import dial, send
from tests.platforms import audiohook, decode_mulaw, plivo, twilio
from tests.service import Service

KEY, TOKEN, READ = new_key(), new_key(["ingest"]), new_key()
ADMIN = new_key()
KEYS = ";".join(
    [
        key_line(KEY, "ann", ["record", "read"]),
        key_line(TOKEN, "phone", ["ingest"]),
        key_line(READ, "reader", ["read"]),
        key_line(ADMIN, "admin", ["admin"]),
    ]
)
TWILIO_TOKEN = "12345"
SIGNED = {"X-Twilio-Signature": sha1(TWILIO_TOKEN, "wss://rec.example/api/ws/call/twilio")}
AUDIO = random.Random(1).randbytes(8000)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder: Path = tmp_path_factory.mktemp("recordings")
    service = Service(
        folder,
        auth_mode="api_key",
        api_keys=KEYS,
        public_url="https://rec.example",
        twilio_auth_token=TWILIO_TOKEN,
        genesys_client_secret=SECRET,
    ).start()
    yield service
    assert service.stop() == 0
    assert not any(TOKEN in line or KEY in line for line in service.log)


def basic(key: str) -> str:
    return "Basic " + base64.b64encode(f"anything:{key}".encode()).decode()


async def call(service: Service, path: str, parameters: Any = None, **options: Any) -> int | None:
    """Record a call; return the close code."""
    async with dial(service, path, **options) as socket:
        return await _call(socket, parameters)


async def _call(socket: ClientConnection, parameters: Any) -> int | None:
    with contextlib.suppress(ConnectionClosed):
        await send(socket, twilio.call(AUDIO, parameters=parameters or {"FirstName": "Jane"}))
    await socket.wait_closed()
    return socket.close_code


@pytest.mark.parametrize(
    ("path", "options", "user"),
    [
        ("", {"headers": {"Authorization": f"Bearer {KEY}"}}, "ann"),
        ("", {"headers": {"X-API-Key": KEY}}, "ann"),
        ("", {"headers": {"Authorization": basic(KEY)}}, "ann"),
        ("", {"headers": {"Authorization": f"Bearer {TOKEN}"}}, "phone"),
        ("", {"token": TOKEN}, "phone"),
        (f"/twilio/{TOKEN}", {}, "phone"),
        ("/twilio", {"parameters": {"token": TOKEN, "FirstName": "Jane"}}, "phone"),
        ("/twilio", {"headers": SIGNED}, "twilio"),
        ("/twilio", {"headers": SIGNED, "parameters": {"token": TOKEN}}, "phone"),
    ],
    ids=["bearer", "header", "basic", "ingest", "query", "path", "parameter", "signature", "both"],
)
async def test_a_credential_may_be_where_the_platform_can_put_it(
    service: Service, path: str, options: dict[str, Any], user: str
) -> None:
    admin = {"X-API-Key": ADMIN}
    before = service.get(f"/api/audio/sessions?user_id={user}", headers=admin).json()["sessions"]
    assert await call(service, f"/api/ws/call{path}", **options) == 1000
    after = service.get(f"/api/audio/sessions?user_id={user}", headers=admin).json()["sessions"]
    assert len(after) == len(before) + 1
    assert service.pcm(after[0]["session_id"]) == decode_mulaw(AUDIO)


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("/twilio", {}),
        ("/twilio", {"parameters": {"token": "scribeingest" + "0" * 64}}),
        ("/twilio", {"parameters": {"token": KEY}}),
        ("", {"token": KEY}),
        (f"/twilio/{KEY}", {}),
        ("/twilio/nonsense", {}),
        ("", {"headers": {"X-API-Key": READ}}),
        ("", {"headers": {"Authorization": "Basic ***"}}),
        ("/twilio", {"headers": {"X-Twilio-Signature": "x"}}),
        ("/twilio", {"headers": SIGNED, "parameters": {"token": KEY}}),
    ],
    ids=[
        "none",
        "unknown",
        "key in a message",
        "key in the query",
        "key in the path",
        "bad path",
        "read only",
        "bad basic",
        "bad signature",
        "key in a signed message",
    ],
)
async def test_another_credential_is_refused(
    service: Service, path: str, options: dict[str, Any]
) -> None:
    assert await call(service, f"/api/ws/call{path}", **options) == 1008


@pytest.mark.parametrize("path", ["", "/audiohook", "/genesys"])
async def test_an_audiohook_without_its_mark_is_refused_if_it_must_be_signed(
    service: Service, path: str
) -> None:
    headers = {"X-API-Key": TOKEN}
    async with asyncio.timeout(10), dial(service, f"/api/ws/call{path}", headers=headers) as socket:
        await socket.send(audiohook.Client().open())
        await socket.wait_closed()
    assert (socket.close_code, socket.close_reason) == (1008, "Authentication required")


async def test_an_ingest_token_may_do_nothing_else(service: Service) -> None:
    headers = {"X-API-Key": TOKEN}
    assert service.get("/api/audio/sessions", headers=headers).status_code == 403
    assert service.post("/api/audio/sessions", headers=headers).status_code == 403
    async with dial(service, "/api/ws/audio", headers=headers) as socket:
        await socket.wait_closed()
    assert socket.close_code == 1008


async def test_a_token_in_the_headers_of_a_call_is_not_kept(service: Service) -> None:
    async with dial(service, "/api/ws/call/plivo") as socket:
        await send(socket, plivo.call(AUDIO, headers=f"X-PH-token={TOKEN};order=7"))
    stored = "".join(each.read_text() for each in service.folder.glob("*.json"))
    assert TOKEN not in stored
    assert (await sessions_of(service, "phone"))[0]["sample_rate"] == 8000


async def sessions_of(service: Service, user: str) -> list[dict[str, Any]]:
    answer = service.get(f"/api/audio/sessions?user_id={user}", headers={"X-API-Key": ADMIN}).json()
    return list(answer["sessions"])


async def test_connections_without_a_credential_are_few(
    start_service: Callable[..., Service],
) -> None:
    """Few of one client, so that it keeps no other one out, and few of all."""
    service = start_service(auth_mode="api_key", api_keys=KEYS, trusted_proxies="127.0.0.1")

    def dial_from(address: str) -> contextlib.AbstractAsyncContextManager[ClientConnection]:
        return dial(service, headers={"X-Forwarded-For": address})

    async def close_code(address: str) -> int | None:
        async with dial_from(address) as socket:
            await socket.wait_closed()
            return socket.close_code

    async with contextlib.AsyncExitStack() as stack:
        for client in range(4):
            for _ in range(25):
                await stack.enter_async_context(dial_from(f"10.0.0.{client}"))
            if client == 0:
                assert await close_code("10.0.0.0") == 1013
        assert await close_code("10.0.0.4") == 1013
        assert await call(service, "/api/ws/call", headers={"X-API-Key": KEY}) == 1000
    async with dial_from("10.0.0.0") as socket:
        assert await _call(socket, {"token": TOKEN}) == 1000
