"""The JavaScript client in Node against real services, with faults."""

import asyncio
import base64
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import psutil
import pytest

from api.access.identity import Identity
from api.access.session_tokens import SessionTokens
from api.access.signing import SigningKeys
from tests.audio import cut, cut_anywhere, decode, encode, pcm, speech
from tests.clients.js.runtimes import CLIENT, JavaScriptError, Node
from tests.eventually import eventually
from tests.parameters import long_except_first
from tests.proxy import cutting_proxy
from tests.service import Service

RAW = {"sampleRate": 44100, "channels": 1, "format": "pcm_s16le"}
INPUTS: dict[str, tuple[Callable[[], bytes], dict[str, Any]]] = {
    "pcm": (lambda: pcm(44100 * 8), RAW),
    "webm": (lambda: encode(speech(), "-c:a", "libopus", "-f", "webm"), {"format": "webm"}),
}
SECRET = "a-secret-of-the-identity-provider"


async def wait_until_received(service: Service, runtime: Node, more_than: int) -> int:
    """Wait until the service has more than ``more_than`` chunks, and return the count."""
    await runtime.wait_for("client.sessionId")
    path = f"/api/audio/sessions/{await runtime.evaluate('return client.sessionId')}"

    async def received() -> int:
        return int((await asyncio.to_thread(service.get, path)).json()["total_chunks"])

    return await eventually(
        received, lambda count: count > more_than, awaiting=f"more than {more_than} chunks"
    )


async def test_a_session_has_the_title_and_metadata_of_the_options(
    service: Service, runtime: Node
) -> None:
    options = {"url": service.url, "title": "Zoë & Co", "metadata": {"project": "a=b", "x.y": ""}}
    await runtime.evaluate(
        f"globalThis.client = new SessionClient({json.dumps(options)});"
        " await client.start(); await client.send(new Uint8Array(200))"
    )
    final = await stop_client(runtime)
    info = service.get(f"/api/audio/sessions/{final['session_id']}").json()
    assert (info["title"], info["metadata"]) == (options["title"], options["metadata"])


async def stop_client(runtime: Node) -> dict[str, Any]:
    async with asyncio.timeout(60):
        return dict(await runtime.evaluate("return await client.stop()"))


@pytest.mark.parametrize("kind", long_except_first(INPUTS))
async def test_cuts_and_crashes_lose_and_repeat_nothing(
    kind: str, start_service: Callable[..., Service], runtime: Node
) -> None:
    make, parameters = INPUTS[kind]
    data = make()
    chunks = list(cut_anywhere(data, seed=1, largest=max(len(data) // 40, 16)))
    service = start_service(sync_interval_seconds=0.2)
    async with cutting_proxy(service) as proxy:
        await runtime.create_client(url=proxy.url, **parameters)
        await runtime.evaluate("await client.start()")
        received, step = 0, -(-len(chunks) // 6)
        for turn, start in enumerate(range(0, len(chunks), step)):
            await runtime.send(chunks[start : start + step])
            received = await wait_until_received(service, runtime, received)
            if turn % 2:
                proxy.cut()
            else:
                service.kill()
                await asyncio.to_thread(service.start)
        final = await stop_client(runtime)
    assert (final["status"], final["persisted_chunk_count"]) == ("completed", len(chunks))
    assert final["verification"] == {"result": "verified", "reason": ""}
    expected = data if kind == "pcm" else decode(data, sample_rate=44100)
    assert service.pcm(final["session_id"]) == expected
    states = await runtime.states()
    assert (states[0], states[-2:]) == ("connecting", ["finishing", "completed"])
    assert states.count("reconnecting") >= 3
    assert await runtime.evaluate("return client.bufferedBytes") == 0


async def test_send_waits_for_a_slow_service_and_drops_nothing(
    start_service: Callable[..., Service], runtime: Node
) -> None:
    data = pcm(44100 * 10)
    chunks = list(cut(data, 8192))
    limit = 8192 * 10
    service = start_service(sync_interval_seconds=0.2)
    await runtime.create_client(url=service.url, maxBufferedBytes=limit, maxUnackedChunks=4, **RAW)
    await runtime.evaluate("await client.start()")
    process = psutil.Process(service.pid)
    process.suspend()
    await runtime.evaluate("globalThis.taken = 0; globalThis.most = 0")
    await runtime.evaluate(
        "const send = client.send.bind(client);"
        "client.send = (chunk) => send(chunk).then(() => {"
        " taken++; most = Math.max(most, client.bufferedBytes); })"
    )
    await runtime.send(chunks)
    await runtime.wait_for("taken >= 10")
    assert await runtime.evaluate("return taken") == 10
    process.resume()
    final = await stop_client(runtime)
    assert service.pcm(final["session_id"]) == data
    assert await runtime.evaluate("return taken") == len(chunks)
    assert await runtime.evaluate("return most") <= limit


SOURCES = {
    "iterable": "(async function* () { for (const one of chunks) yield bytes(one); })()",
    "stream": "ReadableStream.from(chunks.map(bytes))",
    "blobs": "(async function* () { for (const one of chunks) yield new Blob([bytes(one)]); })()",
}


@pytest.mark.parametrize("source", SOURCES)
async def test_a_source_is_read_to_its_end(service: Service, runtime: Node, source: str) -> None:
    data = pcm(44100 * 3)
    chunks = [base64.b64encode(part).decode() for part in cut(data, 70001)]
    await runtime.create_client(url=service.url, **RAW)
    await runtime.evaluate(f"globalThis.chunks = {json.dumps(chunks)}")
    await runtime.evaluate(f"await client.start({SOURCES[source]})")
    final = await stop_client(runtime)
    assert service.pcm(final["session_id"]) == data
    assert final["chunk_count"] == 2 * len(chunks) - 1, "a message holds at most 64 KiB"
    assert final["verification"]["result"] == "verified"


async def test_a_session_with_bytes_of_others_is_not_verified(
    service: Service, runtime: Node
) -> None:
    await runtime.create_client(url=service.url, **RAW)
    await runtime.evaluate("await client.start()")
    await runtime.send([pcm(1000)])
    await runtime.evaluate("await client.flush()")
    session_id = await runtime.evaluate("return client.sessionId")
    async with service.session(f"/{session_id}") as other:
        await other.send(pcm(100, seed=2))
    service.post(f"/api/audio/sessions/{session_id}/close")
    final = await stop_client(runtime)
    assert final["verification"]["result"] == "unknown"
    assert "2 input streams" in final["verification"]["reason"]


async def test_nothing_is_recorded_between_pause_and_resume(
    service: Service, runtime: Node
) -> None:
    await runtime.create_client(url=service.url, **RAW)
    await runtime.evaluate("await client.start()")
    await runtime.send([pcm(1000, seed=1)])
    await runtime.evaluate("await client.pause()")
    await runtime.send([pcm(1000, seed=2)])
    await runtime.evaluate("await client.resume(); await client.mark('label')")
    await runtime.send([pcm(1000, seed=3)])
    final = await stop_client(runtime)
    assert service.pcm(final["session_id"]) == pcm(1000, seed=1) + pcm(1000, seed=3)
    assert final["verification"] == {"result": "unknown", "reason": "the session was paused"}
    timeline = service.get(f"/api/audio/sessions/{final['session_id']}/timeline").json()
    assert [each["frame"] for each in timeline["marks"]] == [1000]


async def test_a_client_learns_that_another_one_has_paused_the_session_or_resumed_it(
    service: Service, runtime: Node
) -> None:
    await runtime.create_client(url=service.url, **RAW)
    await runtime.evaluate("await client.start()")
    await runtime.send([pcm(1000)])
    await runtime.wait_for("client.sessionId")
    session_id = await runtime.evaluate("return client.sessionId")
    for action in ("pause", "resume"):
        service.post(f"/api/audio/sessions/{session_id}/{action}")
        await runtime.send([pcm(1000)])
        await runtime.wait_for(f"client.isPaused === {str(action == 'pause').lower()}")
    service.post(f"/api/audio/sessions/{session_id}/pause")
    service.kill()
    await asyncio.to_thread(service.start)
    await runtime.wait_for("client.isPaused")  # the greeting says so
    await runtime.evaluate("await client.resume()")
    assert await runtime.evaluate("return client.isPaused") is False
    paused = [each["isPaused"] for each in await runtime.events("paused")]
    assert paused == [True, False, True, False]
    await stop_client(runtime)


async def test_flush_settles_after_all_is_persisted(service: Service, runtime: Node) -> None:
    await runtime.create_client(url=service.url, **RAW)
    await runtime.evaluate("await client.start()")
    await runtime.send(cut(pcm(1000), 100))
    await runtime.evaluate("await client.flush()")
    session_id = await runtime.evaluate("return client.sessionId")
    info = service.get(f"/api/audio/sessions/{session_id}").json()
    assert info["persisted_chunk_count"] == info["total_chunks"] == 20
    assert (await runtime.events("persisted"))[-1]["chunkCount"] == 20
    await stop_client(runtime)


async def test_the_persisted_count_is_updated_without_more_chunks(
    service: Service, runtime: Node
) -> None:
    await runtime.create_client(url=service.url, **RAW)
    await runtime.evaluate("await client.start()")
    await runtime.send([pcm(1000)])
    await runtime.wait_for(
        "client.bufferedBytes === 0 && clientEvents.some(([type]) => type === 'ack')"
    )
    await stop_client(runtime)


async def test_a_lost_final_message_is_not_a_failure(service: Service, runtime: Node) -> None:
    data = pcm(1000)
    async with cutting_proxy(service) as proxy:
        await runtime.create_client(url=proxy.url, **RAW)
        await runtime.evaluate("await client.start()")
        await runtime.send([data])
        await runtime.evaluate("await client.flush()")
        session_id = await runtime.evaluate("return client.sessionId")
        proxy.drops_answers = True
        stopping = asyncio.create_task(stop_client(runtime))
        await eventually(
            lambda: service.get(f"/api/audio/sessions/{session_id}").json()["status"],
            lambda status: status == "completed",
            awaiting="a completed session",
        )
        proxy.drops_answers = False
        proxy.cut()
        final = await stopping
    assert (final["status"], final["chunk_count"]) == ("completed", 1)
    assert service.pcm(session_id) == data


async def test_a_connection_without_answers_is_replaced(service: Service, runtime: Node) -> None:
    data = pcm(1000)
    async with cutting_proxy(service) as proxy:
        await runtime.create_client(url=proxy.url, answerTimeoutMs=500, **RAW)
        await runtime.evaluate("await client.start()")
        await runtime.wait_for("client.state === 'live'")
        proxy.drops_answers = True
        await runtime.send(cut(data, 100))
        await runtime.wait_for("client.state === 'reconnecting'")
        proxy.drops_answers = False
        final = await stop_client(runtime)
    assert service.pcm(final["session_id"]) == data


async def test_warnings_are_an_event_a_property_and_in_the_final_message(
    service: Service, runtime: Node
) -> None:
    await runtime.create_client(url=service.url, **RAW | {"format": "wav"})
    await runtime.evaluate("await client.start()")
    refused = base64.b64encode(b"FORM\0\0\0\0AIFF" + bytes(100)).decode()
    for _ in range(2):
        await runtime.evaluate(f"await client.send(bytes('{refused}'))")
    await runtime.wait_for("client.warnings.length")
    final = await stop_client(runtime)
    (event,) = await runtime.events("warnings")
    assert event["warningCount"] == 1
    assert [each["code"] for each in event["warnings"]] == ["unsupported_format"]
    assert final["warnings"] == event["warnings"]
    assert await runtime.evaluate("return client.warnings") == event["warnings"]


async def test_a_final_error_of_the_service_ends_the_client_with_its_code(
    service: Service, runtime: Node
) -> None:
    await runtime.create_client(url=service.url, sampleRate=1)
    await runtime.evaluate("await client.start()")
    with pytest.raises(JavaScriptError) as failure:
        await stop_client(runtime)
    assert failure.value.code == "invalid_sample_rate"
    assert [error["code"] for error in await runtime.events("error")] == ["invalid_sample_rate"]
    assert (await runtime.states())[-1] == "failed"
    assert "reconnecting" not in await runtime.states()


async def test_a_replaced_client_does_not_reconnect(service: Service, runtime: Node) -> None:
    await runtime.create_client(url=service.url, **RAW)
    await runtime.evaluate("await client.start()")
    await runtime.wait_for("client.state === 'live'")
    session_id = await runtime.evaluate("return client.sessionId")
    async with service.session(f"/{session_id}", resume="true"):
        await runtime.wait_for("client.state === 'failed'")
    assert (await runtime.events("error"))[-1]["code"] == "connection_replaced"


async def test_a_session_closed_elsewhere_is_complete_if_all_chunks_were_sent(
    service: Service, runtime: Node
) -> None:
    await runtime.create_client(url=service.url, **RAW)
    await runtime.evaluate("await client.start()")
    await runtime.send([pcm(1000)])
    await runtime.evaluate("await client.flush()")
    session_id = await runtime.evaluate("return client.sessionId")
    service.post(f"/api/audio/sessions/{session_id}/close")
    assert (await stop_client(runtime))["chunk_count"] == 1
    with pytest.raises(JavaScriptError) as failure:
        await runtime.evaluate("await client.send(new Uint8Array(2))")
    assert failure.value.code == "ended"


async def test_a_client_that_never_connected_does_not_invent_a_final_message(
    service: Service, runtime: Node
) -> None:
    session_id = await service.record(pcm(1000))
    await runtime.create_client(url=service.url, sessionId=session_id, **RAW)
    with pytest.raises(JavaScriptError) as failure:
        await runtime.evaluate("client.start(); return await client.stop()")
    assert failure.value.code == "session_completed"


async def test_an_undefined_option_has_its_default(service: Service, runtime: Node) -> None:
    names = ["sessionId", "maxBufferedBytes", "maxUnackedChunks", "answerTimeoutMs", "store"]
    undefined = ", ".join(f"{name}: undefined" for name in names)
    options = f"{{ ...{json.dumps({'url': service.url, **RAW})}, {undefined} }}"
    await runtime.evaluate(f"createClient(SessionClient, {options})")
    await runtime.evaluate("await client.start()")
    await runtime.send([pcm(1000), pcm(1000, seed=1)])
    assert (await stop_client(runtime))["chunk_count"] == 2


async def test_abandoning_a_client_disconnects_at_once(service: Service, runtime: Node) -> None:
    await runtime.create_client(url=service.url, **RAW)
    await runtime.evaluate("await client.start()")
    await runtime.wait_for("client.state === 'live'")
    await runtime.evaluate("client.abandon()")
    with pytest.raises(JavaScriptError) as failure:
        await stop_client(runtime)
    assert failure.value.code == "abandoned"
    assert (await runtime.states())[-1] == "failed"


async def test_raw_audio_with_another_rate_than_the_session_is_not_sent(
    service: Service, runtime: Node
) -> None:
    created = service.post("/api/audio/sessions", json={"sample_rate": 48000}).json()
    await runtime.create_client(url=service.url, sessionId=created["session_id"], **RAW)
    await runtime.evaluate("await client.start()")
    await runtime.wait_for("client.state === 'failed'")
    assert (await runtime.events("error"))[-1]["code"] == "parameters_differ"


@pytest.fixture
def jwt_service(start_service: Callable[..., Service]) -> Service:
    return start_service(
        auth_mode="jwt",
        jwt_secret=SECRET,
        jwt_issuer="https://id.example",
        jwt_audience="recorder",
        signing_secret=SECRET,
    )


def token_for(session_id: str, *, seconds: float) -> tuple[str, datetime]:
    """Return a session token that expires after ``seconds``, and when it does."""
    tokens = SessionTokens(SigningKeys(lambda: (SECRET.encode(),)), ttl_seconds=60)
    alice, now = Identity("alice", frozenset({"record"})), datetime.now(UTC)
    made = tokens.make(session_id, "alice", "record", alice, now + timedelta(seconds=seconds - 60))
    return made.token, made.expires_at


def bearer_headers() -> dict[str, str]:
    claims = {
        "sub": "alice",
        "iss": "https://id.example",
        "aud": "recorder",
        "exp": datetime.now(UTC) + timedelta(seconds=600),
    }
    return {"Authorization": f"Bearer {jwt.encode(claims, SECRET, 'HS256')}"}


CREATE_CLIENT_WITH_REFRESH = """
createClient(SessionClient, {{
    ...{options},
    refreshToken: async (sessionId) => {{
        globalThis.refreshed = (globalThis.refreshed ?? 0) + 1;
        const path = `{service}/api/audio/sessions/${{sessionId}}/tokens`;
        const answer = await fetch(path, {{ method: 'POST', headers: {headers} }});
        return (await answer.json()).token;
    }},
}})
"""


async def test_an_expired_token_is_refreshed(jwt_service: Service, runtime: Node) -> None:
    created = jwt_service.post("/api/audio/sessions", headers=bearer_headers()).json()
    first, second = pcm(1000), pcm(1000, seed=1)
    async with cutting_proxy(jwt_service) as proxy:
        token, expires_at = token_for(created["session_id"], seconds=6)
        identity = {"sessionId": created["session_id"], "token": token}
        options = json.dumps({"url": proxy.url, **identity, **RAW})
        code = CREATE_CLIENT_WITH_REFRESH.format(
            options=options, service=jwt_service.url, headers=json.dumps(bearer_headers())
        )
        await runtime.evaluate(code)
        await runtime.evaluate("await client.start()")
        await runtime.send([first])
        await runtime.wait_for("clientEvents.some(([type]) => type === 'ack')")
        await eventually(
            lambda: datetime.now(UTC) > expires_at, awaiting="the end of the token's validity"
        )
        proxy.cut()
        await runtime.send([second])
        await stop_client(runtime)
    assert jwt_service.pcm(created["session_id"]) == first + second
    assert "credentials_expired" in [error["code"] for error in await runtime.events("error")]
    assert await runtime.evaluate("return refreshed") == 1


async def test_an_expired_token_ends_a_client_without_refresh(
    jwt_service: Service, runtime: Node
) -> None:
    created = jwt_service.post("/api/audio/sessions", headers=bearer_headers()).json()
    token, _ = token_for(created["session_id"], seconds=-60)
    await runtime.create_client(
        url=jwt_service.url, sessionId=created["session_id"], token=token, **RAW
    )
    await runtime.evaluate("await client.start()")
    with pytest.raises(JavaScriptError) as failure:
        await stop_client(runtime)
    assert failure.value.code == "credentials_expired"


async def test_the_type_declarations_match_the_exports(runtime: Node) -> None:
    types = (CLIENT / "sercuescribe.d.ts").read_text()
    declared = re.findall(
        r"^export declare class (\w+).*?\{(.*?)^\}", types, re.MULTILINE | re.DOTALL
    )
    api = f"await import('{CLIENT / 'sercuescribe.js'}')"
    assert {name for name, _ in declared} == set(
        await runtime.evaluate(f"return Object.keys({api})")
    )
    for name, body in declared:
        for static, method in re.findall(r"^  (static )?(\w+)[(<]", body, re.MULTILINE):
            owner = name if static else f"{name}.prototype"
            assert await runtime.evaluate(f"return typeof {owner}.{method}") == "function", method


async def test_a_client_gives_up_after_the_maximum_of_attempts(runtime: Node) -> None:
    await runtime.create_client(url="http://127.0.0.1:1", maxAttempts=2)
    await runtime.evaluate("await client.start()")
    with pytest.raises(JavaScriptError, match="gave up after 2 attempts") as failed:
        await stop_client(runtime)
    assert failed.value.code == "gave_up"
    assert (await runtime.states())[-1] == "failed"


async def test_aborting_the_signal_abandons_the_session(service: Service, runtime: Node) -> None:
    await runtime.evaluate(
        "globalThis.controller = new AbortController();"
        f"createClient(SessionClient, {{ url: '{service.url}', signal: controller.signal }});"
        "await client.start()"
    )
    await runtime.wait_for("client.isConnected")
    await runtime.evaluate("controller.abort()")
    with pytest.raises(JavaScriptError) as failed:
        await stop_client(runtime)
    assert failed.value.code == "abandoned"
    with pytest.raises(JavaScriptError):
        await runtime.evaluate(
            f"const options = {{ url: '{service.url}', signal: controller.signal }};"
            "await new SessionClient(options).start()"
        )


async def test_a_runtime_without_a_global_websocket_takes_the_class_as_an_option(
    service: Service, runtime: Node
) -> None:
    """As Node 20 has none."""
    await runtime.evaluate("globalThis.Given = WebSocket; delete globalThis.WebSocket")
    await runtime.evaluate(
        f"globalThis.client = new SessionClient({{ url: '{service.url}', WebSocket: Given }});"
        "await client.start(); await client.send(new Uint8Array(2000))"
    )
    final = await stop_client(runtime)
    assert len(service.pcm(final["session_id"])) == 2000
