"""The JavaScript client in Chromium: microphone, MediaRecorder and IndexedDB."""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.audio import cut_anywhere, decode, pcm, wav
from tests.clients.js.page_server import PageServer, page_server
from tests.clients.js.runtimes import CLIENT, Chromium, JavaScriptError, Page, chromium
from tests.eventually import eventually
from tests.parameters import long_except_first
from tests.proxy import cutting_proxy
from tests.service import Service

Samples = npt.NDArray[np.int16]

SAMPLE_RATE = 44100  # of Chromium's fake microphone: with any other it resamples
CONSTRAINTS = "{ echoCancellation: false, noiseSuppression: false, autoGainControl: false }"
MICROPHONE_PCM = pcm(SAMPLE_RATE * 20)

# Collect what the browser delivers to the client, to compare it with the recording.
RECORDING_WRAPPERS = """
globalThis.deliveredBlobs = [];
globalThis.AudioWorkletNode = class extends AudioWorkletNode {
    constructor(...given) {
        super(...given);
        this.port.addEventListener('message', ({ data }) => {
            if (data.chunk) deliveredBlobs.push(new Blob([data.chunk.slice(0)]));
        });
    }
};
globalThis.MediaRecorder = class extends MediaRecorder {
    constructor(...given) {
        super(...given);
        this.addEventListener('dataavailable', ({ data }) => deliveredBlobs.push(data));
    }
};
globalThis.base64 = (blob) => new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.split(',')[1] ?? '');
    reader.readAsDataURL(blob);
});
"""


@pytest.fixture(scope="module")
def site() -> Iterator[PageServer]:
    with page_server() as site:
        yield site


@pytest.fixture
def service(start_service: Callable[..., Service], site: PageServer) -> Service:
    return start_service(allowed_origins=site.origin, sync_interval_seconds=0.2)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    audio = wav(MICROPHONE_PCM, sample_rate=SAMPLE_RATE)
    with chromium(tmp_path_factory.mktemp("chromium"), audio) as browser:
        yield browser


@pytest.fixture
async def page(browser: Chromium, site: PageServer, service: Service) -> AsyncIterator[Page]:
    """A page of another origin that has imported the client."""
    async with browser.page() as page:
        await page.open_with_client(f"{site.origin}/", service.url)
        await page.evaluate(RECORDING_WRAPPERS)
        yield page


async def delivered_bytes(page: Page) -> bytes:
    return base64.b64decode(await page.evaluate("return await base64(new Blob(deliveredBlobs))"))


async def stop_client(page: Page) -> dict[str, Any]:
    async with asyncio.timeout(60):
        return dict(await page.evaluate("return await client.stop()"))


async def interrupt_recording(page: Page, service: Service, proxy: Any) -> None:
    """Cut the connection and kill the service while the source records."""
    acked = "clientEvents.filter(([type]) => type === 'ack').length"
    for harm in ("cut", "kill", "cut"):
        before = await page.evaluate(f"return {acked}")
        await page.wait_for(f"{acked} > {before} + 2")
        if harm == "kill":
            service.kill()
            more = await page.evaluate("return deliveredBlobs.length")
            await page.wait_for(f"deliveredBlobs.length > {more} + 4")
            await asyncio.to_thread(service.start)
        else:
            proxy.cut()
    before = await page.evaluate(f"return {acked}")
    await page.wait_for(f"{acked} > {before}")


@pytest.mark.parametrize("channels", long_except_first([2, 1]))
async def test_every_sample_of_the_microphone_is_recorded(
    page: Page, service: Service, channels: int
) -> None:
    async with cutting_proxy(service) as proxy:
        await page.create_client(url=proxy.url, channels=channels)
        await page.evaluate(
            f"globalThis.source = new MicrophoneSource({{ constraints: {CONSTRAINTS} }})"
        )
        await page.evaluate("await client.start(source)")
        await interrupt_recording(page, service, proxy)
        a_second = SAMPLE_RATE * 2 * channels
        await page.wait_for(
            f"deliveredBlobs.reduce((bytes, each) => bytes + each.size, 0) > {a_second}"
        )
        final = await stop_client(page)
    delivered = await delivered_bytes(page)
    assert service.pcm(final["session_id"]) == delivered
    assert len(delivered) == await page.evaluate("return source.frames") * 2 * channels
    assert len(delivered) > a_second
    assert_matches_microphone(np.frombuffer(delivered, "<i2")[::channels])
    manifest = service.manifest(final["session_id"])
    assert (manifest["channels"], manifest["error"]) == (channels, None)
    assert max(level["peak"] for level in await page.events("level")) > 0.5
    assert "reconnecting" in await page.states()


def assert_matches_microphone(recorded: Samples) -> None:
    """Check that most pieces are in the microphone's input, to one unit, as the browser dithers.

    Not all of them: under load, the browser at times drops or adds ten milliseconds.
    """
    recorded = recorded[: SAMPLE_RATE * 15]  # later the microphone is silent
    heard, size, pieces = np.frombuffer(MICROPHONE_PCM, "<i2").astype(float), 2000, 9
    spectrum = np.fft.rfft(heard, 2**20)
    found = 0
    for start in np.linspace(size, len(recorded) - size, pieces).astype(int):
        piece = recorded[start : start + size].astype(float)
        likeness = np.fft.irfft(spectrum * np.conj(np.fft.rfft(piece, 2**20)))
        place = int(np.argmax(likeness[: len(heard) - size]))
        found += bool(np.max(np.abs(heard[place : place + size] - piece)) <= 1)
    assert found > pieces // 2


async def test_a_media_stream_is_recorded_and_its_tracks_stay_live(
    page: Page, service: Service
) -> None:
    await page.create_client(url=service.url)
    await page.evaluate(
        "globalThis.stream = await navigator.mediaDevices.getUserMedia({ audio: true });"
        "await client.start(stream)"
    )
    await page.wait_for("deliveredBlobs.length > 5")
    final = await stop_client(page)
    assert service.pcm(final["session_id"]) == await delivered_bytes(page)
    assert await page.evaluate("return stream.getTracks()[0].readyState") == "live"


async def test_the_microphone_uses_the_rate_of_an_existing_session(
    page: Page, service: Service
) -> None:
    parameters = {"sample_rate": 16000, "format": "pcm_s16le"}
    created = service.post("/api/audio/sessions", json=parameters).json()
    await page.create_client(url=service.url, sessionId=created["session_id"])
    await page.evaluate("await client.start(new MicrophoneSource())")
    await page.wait_for("deliveredBlobs.length > 5")
    await stop_client(page)
    assert service.pcm(created["session_id"]) == await delivered_bytes(page)


async def test_abandoning_a_client_stops_the_microphone(page: Page, service: Service) -> None:
    await page.create_client(url=service.url, store="indexeddb")
    await page.evaluate("""
        globalThis.unhandled = 0;
        addEventListener('unhandledrejection', () => unhandled++);
        const { mediaDevices } = navigator;
        const ask = mediaDevices.getUserMedia.bind(mediaDevices);
        mediaDevices.getUserMedia = async (what) => (globalThis.stream = await ask(what));
        await client.start(new MicrophoneSource());
    """)
    await page.wait_for("deliveredBlobs.length > 2")
    await page.evaluate("client.abandon()")
    await page.wait_for("stream.getTracks()[0].readyState === 'ended'")
    with pytest.raises(JavaScriptError) as failure:
        await stop_client(page)
    assert failure.value.code == "abandoned"
    assert await page.evaluate("return await SessionClient.unfinished()") == []
    assert await page.evaluate("return unhandled") == 0


@pytest.mark.parametrize("kind", long_except_first(["audio/webm;codecs=opus", "audio/mp4"]))
async def test_a_mediarecorder_file_continues_after_lost_connections(
    page: Page, service: Service, kind: str
) -> None:
    async with cutting_proxy(service) as proxy:
        await page.create_client(url=proxy.url, sampleRate=SAMPLE_RATE)
        options = json.dumps({"mimeType": kind, "timesliceMs": 100})
        await page.evaluate(f"await client.start(new MediaRecorderSource({options}))")
        await interrupt_recording(page, service, proxy)
        final = await stop_client(page)
    recorded = service.pcm(final["session_id"])
    assert recorded == decode(await delivered_bytes(page), sample_rate=SAMPLE_RATE)
    assert len(recorded) > SAMPLE_RATE
    assert service.manifest(final["session_id"])["error"] is None


async def test_a_mediarecorder_that_does_not_name_its_type_is_recorded(
    page: Page, service: Service
) -> None:
    await page.create_client(url=service.url, sampleRate=SAMPLE_RATE)
    await page.evaluate("await client.start(new MediaRecorderSource({ mimeType: '' }))")
    await page.wait_for("deliveredBlobs.length > 2")
    final = await stop_client(page)
    expected = decode(await delivered_bytes(page), sample_rate=SAMPLE_RATE)
    assert service.pcm(final["session_id"]) == expected


async def test_a_reloaded_page_can_finish_a_stored_session(
    page: Page, service: Service, site: PageServer
) -> None:
    data = pcm(44100 * 3)
    chunks = [base64.b64encode(chunk).decode() for chunk in cut_anywhere(data, seed=3)]
    await page.create_client(
        url=service.url, store="indexeddb", sampleRate=44100, format="pcm_s16le"
    )
    await page.evaluate("await client.start()")
    half = len(chunks) // 2
    sending = "await Promise.all({}.map((one) => client.send(bytes(one))))"
    await page.evaluate(sending.format(json.dumps(chunks[:half])))
    await page.wait_for("clientEvents.some(([type]) => type === 'persisted')")
    service.kill()
    await page.evaluate(sending.format(json.dumps(chunks[half:])))
    assert await page.evaluate("return await SessionClient.unfinished()") == [], (
        "a page still records it"
    )
    await asyncio.to_thread(service.start)
    await page.open_with_client(f"{site.origin}/", service.url)
    (left,) = await page.evaluate("return await SessionClient.unfinished()")
    options = "{ url: undefined, sessionId: undefined }"
    final = await page.evaluate(f"return await SessionClient.resume('{left['id']}', {options})")
    assert final["session_id"] == left["sessionId"]
    assert final["chunk_count"] == len(chunks)
    assert service.pcm(final["session_id"]) == data
    assert await page.evaluate("return await SessionClient.unfinished()") == []


async def test_a_page_reloaded_while_recording_loses_no_stored_chunk(
    page: Page, service: Service, site: PageServer
) -> None:
    await page.create_client(url=service.url, store="indexeddb")
    await page.evaluate("""
        const send = client.send.bind(client);
        let number = 0;
        client.send = async (chunk) => {
            localStorage.setItem(number++, btoa(String.fromCharCode(...new Uint8Array(chunk))));
            await send(chunk);
            localStorage.setItem('settled', number);
        };
        await client.start(new MicrophoneSource());
    """)
    await page.wait_for("clientEvents.filter(([type]) => type === 'ack').length > 10")
    service.kill()
    settled = int(await page.evaluate("return localStorage.getItem('settled')"))
    await page.wait_for(f"localStorage.getItem('settled') > {settled} + 10")
    await page.call("Page.reload")
    await asyncio.to_thread(service.start)
    await page.open_with_client(f"{site.origin}/", service.url)
    (left,) = await page.evaluate("return await SessionClient.unfinished()")
    final = await page.evaluate(f"return await SessionClient.resume('{left['id']}')")
    settled = int(await page.evaluate("return localStorage.getItem('settled')"))
    handed = [
        base64.b64decode(await page.evaluate(f"return localStorage.getItem({number})"))
        for number in range(final["chunk_count"])
    ]
    assert len(handed) >= settled > 20
    assert service.pcm(final["session_id"]) == b"".join(handed)


async def test_a_stored_session_without_an_id_is_created_on_resume(
    page: Page, service: Service, site: PageServer
) -> None:
    service.kill()
    data = pcm(1000)
    await page.create_client(
        url=service.url, store="indexeddb", sampleRate=8000, format="pcm_s16le"
    )
    await page.evaluate("await client.start()")
    await page.send([data])
    await page.wait_for("client.bufferedBytes > 0")
    await page.evaluate("await client.send(new Uint8Array(0))")  # settles after the first chunk
    await page.open(f"{site.origin}/")  # before the client, which reconnects, reaches a service
    await asyncio.to_thread(service.start)
    await page.open_with_client(f"{site.origin}/", service.url)
    (left,) = await page.evaluate("return await SessionClient.unfinished()")
    assert left["sessionId"] is None
    final = await page.evaluate(f"return await SessionClient.resume('{left['id']}')")
    assert service.pcm(final["session_id"]) == data
    assert service.manifest(final["session_id"])["sample_rate"] == 8000


async def test_a_page_closed_before_close_session_gets_the_final_counts(
    page: Page, service: Service, site: PageServer
) -> None:
    data = pcm(1000)
    await page.create_client(
        url=service.url, store="indexeddb", sampleRate=8000, format="pcm_s16le"
    )
    await page.evaluate("await client.start()")
    await page.send([data])
    await page.evaluate("await client.flush()")
    session_id = await page.evaluate("return client.sessionId")
    await page.open_with_client(f"{site.origin}/", service.url)
    service.post(f"/api/audio/sessions/{session_id}/close")  # as after the idle timeout
    (left,) = await page.evaluate("return await SessionClient.unfinished()")
    final = await page.evaluate(f"return await SessionClient.resume('{left['id']}')")
    assert (final["status"], final["chunk_count"]) == ("completed", 1)
    assert service.pcm(session_id) == data


async def test_a_stored_session_can_be_discarded(
    page: Page, service: Service, site: PageServer
) -> None:
    await page.create_client(url=service.url, store="indexeddb")
    await page.evaluate("await client.start(); await client.send(new Uint8Array(2))")
    await page.open_with_client(f"{site.origin}/", service.url)
    (left,) = await page.evaluate("return await SessionClient.unfinished()")
    await page.evaluate(f"await SessionClient.discard('{left['id']}')")
    assert await page.evaluate("return await SessionClient.unfinished()") == []


async def test_the_example_page_of_the_readme_records(
    page: Page, service: Service, site: PageServer
) -> None:
    text, _ = re.findall(r"```html\n(.*?)```", (CLIENT / "README.md").read_text(), re.DOTALL)
    site.contents["/manual"] = ("text/html", text.replace("http://localhost:8000", service.url))
    await page.open(f"{site.origin}/manual")
    await page.evaluate_expression("globalThis.$ = (id) => document.getElementById(id), 0")
    await click(page, "start")
    await until(page, "$('state').textContent === 'live' && $('level').value > 0")
    await click(page, "stop")
    await until(page, "$('state').textContent === 'completed' && $('recording').duration > 0")
    (session,) = service.get("/api/audio/sessions").json()["sessions"]
    assert session["status"] == "completed"
    assert session["duration_seconds"] > 0.04


async def click(page: Page, button: str) -> None:
    await until(page, f"!$('{button}').disabled && $('{button}').onclick")
    await page.evaluate_expression(f"$('{button}').click()")


async def until(page: Page, condition: str) -> None:
    await eventually(lambda: page.evaluate_expression(f"Boolean({condition})"), awaiting=condition)
