"""The sessions of a service, listed and changed with the JavaScript client in Node."""

import pytest

from tests.audio import pcm
from tests.clients.js.runtimes import JavaScriptError, Node
from tests.service import Service

MISSING = "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"


@pytest.fixture
async def runtime(service: Service, runtime: Node) -> Node:
    await runtime.evaluate(
        f"globalThis.service = new ServiceClient({{ url: '{service.url}' }});"
        "globalThis.listed = async (filter) => {"
        "  const found = [];"
        "  for await (const each of service.list(filter)) found.push(each.session_id);"
        "  return found;"
        "};"
    )
    return runtime


async def test_sessions_are_listed_over_pages_and_found(service: Service, runtime: Node) -> None:
    ids = [await service.record(pcm(100)) for _ in range(3)]
    created_at = service.get(f"/api/audio/sessions/{ids[0]}").json()["created_at"]
    since = f"from: new Date('{created_at}')"  # other runtimes have listed theirs before
    assert await runtime.evaluate(f"return await listed({{ {since}, pageSize: 2 }})") == ids[::-1]
    service.patch(f"/api/audio/sessions/{ids[1]}", json={"metadata": {"room": "7"}})
    filters = f"{{ {since}, metadata: {{ room: '7' }} }}"
    assert await runtime.evaluate(f"return await listed({filters})") == [ids[1]]
    filters = f"{{ {since}, status: 'completed', hasWarnings: false, oldestFirst: true }}"
    assert await runtime.evaluate(f"return await listed({filters})") == ids


async def test_a_session_is_changed_downloaded_closed_and_deleted(
    service: Service, runtime: Node
) -> None:
    session_id = service.post("/api/audio/sessions").json()["session_id"]
    changed = await runtime.evaluate(
        f"return await service.update('{session_id}', {{ title: 'A', metadata: {{ a: 'b' }} }})"
    )
    assert (changed["title"], changed["metadata"]) == ("A", {"a": "b"})
    closed = await runtime.evaluate(f"return await service.close('{session_id}')")
    assert closed["status"] == "completed"
    size = f"(await (await service.audio('{session_id}', {{ format: 'wav' }})).blob()).size"
    assert await runtime.evaluate(f"return {size}") >= 44
    await runtime.evaluate(f"await service.delete('{session_id}')")
    with pytest.raises(JavaScriptError) as failed:
        await runtime.evaluate(f"await service.info('{session_id}')")
    assert failed.value.code == "session_not_found"


async def test_a_session_is_held_and_given_an_end(service: Service, runtime: Node) -> None:
    session_id = service.post("/api/audio/sessions").json()["session_id"]
    changed = await runtime.evaluate(
        f"return await service.update('{session_id}',"
        " { hold: true, expiresAt: new Date(Date.UTC(2100, 0)) })"
    )
    assert (changed["hold"], changed["expires_at"]) == (True, "2100-01-01T00:00:00Z")
    changed = await runtime.evaluate(
        f"return await service.update('{session_id}', {{ hold: false, expiresAt: null }})"
    )
    assert (changed["hold"], changed["expires_at"]) == (False, None)


async def test_a_session_is_paused_marked_and_has_a_timeline(
    service: Service, runtime: Node
) -> None:
    session_id = service.post("/api/audio/sessions").json()["session_id"]
    assert (await runtime.evaluate(f"return await service.pause('{session_id}')"))["paused"]
    assert not (await runtime.evaluate(f"return await service.resume('{session_id}')"))["paused"]
    await runtime.evaluate(f"await service.mark('{session_id}', 'Here')")
    timeline = await runtime.evaluate(f"return await service.timeline('{session_id}')")
    assert [mark["label"] for mark in timeline["marks"]] == ["Here"]
    assert len(timeline["pauses"]) == 1


async def test_a_recording_is_shared_and_unshared(service: Service, runtime: Node) -> None:
    session_id = await service.record(pcm(1000))
    link = await runtime.evaluate(
        f"return await service.share('{session_id}', {{ lifetimeSeconds: 60, format: 'flac' }})"
    )
    assert service.get(link["url"].removeprefix(service.url)).status_code == 200
    listed = await runtime.evaluate(f"return await service.links('{session_id}')")
    assert [(each["link_id"], each["format"]) for each in listed] == [(link["link_id"], "flac")]
    await runtime.evaluate(f"await service.unshare('{session_id}', '{link['link_id']}')")
    assert service.get(link["url"].removeprefix(service.url)).status_code == 404


async def test_a_call_can_be_aborted_and_an_unreachable_service_is_an_error(runtime: Node) -> None:
    with pytest.raises(JavaScriptError) as failed:
        await runtime.evaluate(
            f"await service.info('{MISSING}', {{ signal: AbortSignal.abort() }})"
        )
    assert failed.value.code == "aborted"
    with pytest.raises(JavaScriptError) as failed:
        await runtime.evaluate(
            f"await new ServiceClient({{ url: 'http://127.0.0.1:1' }}).info('{MISSING}')"
        )
    assert failed.value.code == "unreachable"
