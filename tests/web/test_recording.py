"""Recording with the page, with faults of the service, the network and the browser."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.audio import decode, speech, wav
from tests.eventually import eventually
from tests.proxy import CuttingProxy, cutting_proxy
from tests.service import Service
from tests.web.browser import PageBrowser, PageTab
from tests.web.conftest import SAMPLE_RATE

Samples = npt.NDArray[np.float64]

OPUS_RATE = 48000


@pytest.fixture
def service(start_service: Callable[..., Service]) -> Service:
    return start_service(sync_interval_seconds=0.2)


def only_session(service: Service) -> str:
    (session,) = service.get("/api/audio/sessions").json()["sessions"]
    assert session["status"] == "completed"
    assert session["error"] is None
    return str(session["session_id"])


async def wait_for_chunks(tab: PageTab, chunks: int) -> None:
    """Return when ``chunks`` more chunks were delivered to the client."""
    target = len(tab.delivered_chunks) + chunks
    await eventually(
        lambda: len(tab.delivered_chunks),
        lambda delivered: delivered >= target,
        awaiting=f"{target} chunks at the client",
    )


async def interrupt_recording(tab: PageTab, service: Service, proxy: CuttingProxy) -> None:
    """Cut the connection, then kill and restart the service; do both twice."""
    for _ in range(2):
        await wait_for_chunks(tab, 5)
        with proxy.outage():
            await tab.wait_for_state("Connection lost")
        await tab.wait_for_state("Recording", exact=True)
        await wait_for_chunks(tab, 5)
        service.kill()
        await tab.wait_for_state("Connection lost")
        await wait_for_chunks(tab, 5)
        await asyncio.to_thread(service.start)
        await tab.wait_for_state("Recording", exact=True)


@pytest.mark.parametrize("channels", [pytest.param("Mono", marks=pytest.mark.long), "Stereo"])
async def test_every_sample_of_the_worklet_is_recorded(
    browser: PageBrowser, service: Service, channels: str
) -> None:
    async with cutting_proxy(service) as proxy, browser.open_page(f"{proxy.url}/") as tab:
        await tab.page.get_by_label("Channels").select_option(channels)
        await tab.start_recording()
        await interrupt_recording(tab, service, proxy)
        await tab.stop_recording()
    session_id = only_session(service)
    recorded = service.pcm(session_id)
    assert recorded == b"".join(tab.delivered_chunks)
    assert len(recorded) > SAMPLE_RATE
    assert service.manifest(session_id)["channels"] == ["Mono", "Stereo"].index(channels) + 1


@pytest.mark.long  # it lasts as long as its audio
async def test_mediarecorder_audio_is_recorded_without_a_gap(
    browser: PageBrowser, service: Service, microphone: Path
) -> None:
    said = speech_samples()
    silence = np.zeros(SAMPLE_RATE)
    heard = np.concatenate([silence, said, said, said, silence]).astype("<i2")
    microphone.write_bytes(wav(heard.tobytes(), sample_rate=SAMPLE_RATE))
    async with cutting_proxy(service) as proxy, browser.open_page(f"{proxy.url}/") as tab:
        await tab.page.get_by_label("Quality").select_option("Compressed")
        began = asyncio.get_running_loop().time()
        await tab.start_recording()
        await interrupt_recording(tab, service, proxy)
        rest = began + len(heard) / SAMPLE_RATE - asyncio.get_running_loop().time()
        await wait_for_chunks(tab, max(1, round(rest / 0.25) + 2))
        await tab.stop_recording()
    recorded = service.pcm(only_session(service))
    assert recorded == decode(b"".join(tab.delivered_chunks), sample_rate=OPUS_RATE)
    assert_same_sound(resampled(heard.astype(float)), np.frombuffer(recorded, "<i2").astype(float))


def speech_samples() -> Samples:
    """Return speech at the microphone's rate."""
    return np.frombuffer(decode(speech(), sample_rate=SAMPLE_RATE), "<i2").astype(float)


def resampled(samples: Samples) -> Samples:
    data = wav(samples.astype("<i2").tobytes(), sample_rate=SAMPLE_RATE)
    return np.frombuffer(decode(data, sample_rate=OPUS_RATE), "<i2").astype(float)


def assert_same_sound(heard: Samples, recorded: Samples) -> None:
    """Check that every half second of speech is recorded, with a correlation above 0.95.

    Each piece is located separately, because under load the browser at times drops or adds ten
    milliseconds.
    """
    size = OPUS_RATE // 2
    spectrum = np.fft.rfft(recorded, 2**21)
    places, likenesses = [], []
    for start in range(OPUS_RATE, len(heard) - OPUS_RATE - size, size):
        piece = heard[start : start + size]
        if np.sqrt(np.mean(piece**2)) < 300:
            continue  # a pause between words
        product = np.fft.irfft(spectrum * np.conj(np.fft.rfft(piece, 2**21)))
        around = slice(max(0, start - OPUS_RATE), start + OPUS_RATE)
        place = around.start + int(np.argmax(product[around]))
        found = recorded[place : place + size]
        likenesses.append(float(np.corrcoef(piece[: len(found)], found)[0, 1]))
        places.append(place - start)
    assert len(places) > 15
    assert np.median(likenesses) > 0.95
    assert abs(places[-1] - places[0]) < 0.05 * OPUS_RATE


async def test_a_reloaded_tab_sends_the_remaining_audio(
    browser: PageBrowser, service: Service
) -> None:
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
        await tab.start_recording()
        await wait_for_chunks(tab, 10)
        service.kill()
        await tab.wait_for_state("Connection lost")
        await wait_for_chunks(tab, 40)
        delivered_chunks = len(tab.delivered_chunks)
        await asyncio.to_thread(service.start)
        await page.reload()
        await page.get_by_text("was sent.").wait_for()
        recorded = service.pcm(only_session(service))
        await page.get_by_role("button", name="Play").wait_for()
    # Of the last chunks before the reload, one may be stored that the test was not told of, and
    # one may be told that was not stored yet.
    heard = b"".join(tab.delivered_chunks)
    common = min(len(heard), len(recorded))
    assert heard[:common] == recorded[:common]
    assert len(recorded) >= len(b"".join(tab.delivered_chunks[: delivered_chunks - 5]))


async def test_level_waveform_and_counts_are_updated(
    browser: PageBrowser, service: Service
) -> None:
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        empty = await page.locator("#recorder canvas").screenshot()
        await tab.start_recording()
        await tab.wait_until(
            "document.querySelector('[role=meter]').getAttribute('aria-valuenow') > -20"
        )
        await page.get_by_text("Clipped").wait_for()  # noise of full scale
        for part in ("clock", "received", "safe"):
            await tab.wait_until(
                f"document.querySelector('[data-part={part}]').textContent > '0:01'"
            )
        assert await page.locator("#recorder canvas").screenshot() != empty
        await tab.stop_recording()
        received = await page.locator("[data-part=received]").text_content()
        assert received == await page.locator("[data-part=safe]").text_content()
        assert await page.locator("[data-part=waiting]").text_content() == "0 B"


async def test_a_missing_microphone_is_reported(browser: PageBrowser, service: Service) -> None:
    async with browser.open_page(f"{service.url}/") as tab:
        await tab.page.evaluate(
            "() => { navigator.mediaDevices.getUserMedia ="
            " () => Promise.reject(new DOMException('none', 'NotFoundError')); }"
        )
        await tab.page.get_by_role("button", name="Start recording").click()
        await tab.page.get_by_text("No microphone was found.").wait_for()
        await tab.page.get_by_role("button", name="Start recording").wait_for()
    assert service.get("/api/audio/sessions").json()["sessions"] == []


@pytest.mark.parametrize(
    "quality", ["Lossless", pytest.param("Compressed", marks=pytest.mark.long)]
)
async def test_a_recording_finished_elsewhere_ends_on_the_page(
    browser: PageBrowser, service: Service, quality: str
) -> None:
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        await page.get_by_label("Quality").select_option(quality)
        await tab.start_recording()
        await wait_for_chunks(tab, 4)
        (session,) = service.get("/api/audio/sessions").json()["sessions"]
        service.post(f"/api/audio/sessions/{session['session_id']}/close")
        await page.locator(".notice.error").first.wait_for()
        await page.get_by_role("button", name="Start recording").wait_for()
        await tab.start_recording()  # and another one
        await tab.stop_recording()


@pytest.mark.parametrize(
    "quality", ["Lossless", pytest.param("Compressed", marks=pytest.mark.long)]
)
async def test_unplugging_the_microphone_completes_the_recording(
    browser: PageBrowser, service: Service, quality: str
) -> None:
    async with browser.open_page(f"{service.url}/") as tab:
        await tab.page.get_by_label("Quality").select_option(quality)
        await tab.page.evaluate("""() => {
            const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
            navigator.mediaDevices.getUserMedia = async (what) => (window.heard = await ask(what));
        }""")
        await tab.start_recording()
        await wait_for_chunks(tab, 5)
        await tab.page.evaluate("""() => {
            const [track] = heard.getTracks();
            track.stop();
            track.dispatchEvent(new Event('ended'));
        }""")
        await tab.wait_for_state("Saved")
    recorded = service.pcm(only_session(service))
    heard = b"".join(tab.delivered_chunks)
    assert recorded == (heard if quality == "Lossless" else decode(heard, sample_rate=OPUS_RATE))
