"""Uploading files: they become recordings, also over a lost connection."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.audio import decode, pcm, speech, wav
from tests.service import Service
from tests.web.browser import PageBrowser


@pytest.fixture
def service(start_service: Callable[..., Service]) -> Service:
    return start_service(sync_interval_seconds=0.2)


async def test_chosen_and_dropped_files_become_recordings(
    browser: PageBrowser, service: Service, tmp_path: Path
) -> None:
    """A WAV keeps its samples, names are titles, and a file that is no audio is refused."""
    samples = pcm(16000)
    (tmp_path / "talk.wav").write_bytes(wav(samples, sample_rate=16000))
    (tmp_path / "notes.txt").write_text("no audio")
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        async with page.expect_file_chooser() as chooser:
            await page.get_by_role("button", name="Upload files").click()
        await (await chooser.value).set_files([tmp_path / "talk.wav", tmp_path / "notes.txt"])
        await page.get_by_text("notes.txt is not an audio file.").wait_for()
        await page.get_by_text("talk.wav was uploaded.").wait_for()
        await expect(page.locator("#list > li")).to_contain_text("16 kHz mono")
        encoded = list(speech())
        await page.evaluate(
            """(bytes) => {
                const dropped = new DataTransfer();
                dropped.items.add(new File([new Uint8Array(bytes)], 'speech.wav',
                    { type: 'audio/wav' }));
                for (const type of ['dragover', 'drop']) {
                    document.body.dispatchEvent(new DragEvent(type,
                        { dataTransfer: dropped, bubbles: true, cancelable: true }));
                }
            }""",
            encoded,
        )
        await page.get_by_text("speech.wav was uploaded.").wait_for()
        await expect(page.locator("#drop")).to_be_hidden()
        await expect(page.locator("#outgoing")).to_be_hidden()
    dropped, chosen = service.get("/api/audio/sessions").json()["sessions"]
    assert service.pcm(chosen["session_id"]) == samples
    assert [each["title"] for each in (dropped, chosen)] == ["speech", "talk"]
    assert service.pcm(dropped["session_id"]) == decode(speech(), sample_rate=22050)


async def test_an_upload_continues_after_an_outage(
    browser: PageBrowser, service: Service, tmp_path: Path
) -> None:
    samples = pcm(48000) * 60
    (tmp_path / "long.wav").write_bytes(wav(samples, sample_rate=48000))
    async with browser.open_page(f"{service.url}/") as tab:
        page = tab.page
        await page.get_by_text("No recordings yet").wait_for()
        service.kill()
        await page.locator("#files").set_input_files(tmp_path / "long.wav")
        await page.locator("#outgoing", has_text="Waiting for the connection").wait_for()
        await asyncio.to_thread(service.start)
        await page.get_by_text("long.wav was uploaded.").wait_for()
    (session,) = service.get("/api/audio/sessions").json()["sessions"]
    assert service.pcm(session["session_id"]) == samples
