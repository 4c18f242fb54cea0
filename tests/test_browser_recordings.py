"""P1 and P3 for the blobs that MediaRecorder of Chromium and Firefox produces.

The reference is one decode of all blobs by the same ffmpeg.
"""

import functools
import random

import pytest

from tests.audio import cut_anywhere, decode
from tests.browser_recordings import RECORDINGS, read_blobs, read_recording
from tests.service import Client, Service

SAMPLE_RATE = 48000
# Two recordings in a row, as after a reload: in the same container, or in another one.
RELOADS = [
    ("chromium-250ms.webm", "chromium-paused.webm"),
    ("chromium-250ms.webm", "chromium-20ms.webm"),
    ("chromium-250ms.mp4", "chromium-20ms.mp4"),
    ("chromium-250ms.mp4", "chromium-20ms.webm"),
    ("firefox-250ms.ogg", "chromium-20ms.webm"),
    ("firefox-250ms.webm", "firefox-20ms.webm"),
    ("firefox-250ms.ogg", "firefox-20ms.ogg"),
    ("firefox-paused.ogg", "chromium-3000ms.webm"),
    ("chromium-3000ms.mp4", "firefox-250ms.ogg"),
]


@functools.cache
def decoded(name: str) -> bytes:
    pcm = decode(read_recording(name), sample_rate=SAMPLE_RATE)
    assert len(pcm) > 3.5 * 2 * SAMPLE_RATE
    return pcm


async def send(client: Client, pieces: list[bytes]) -> None:
    """Send all ``pieces`` and check that each is acknowledged."""
    for piece in pieces:
        assert (await client.send(piece))["type"] == "chunk"


def recorded(service: Service, session_id: str) -> bytes:
    """Return the audio of a session, and check that it has no error."""
    assert service.manifest(session_id)["error"] is None
    return service.pcm(session_id)


def test_the_test_data_covers_every_container_of_each_browser() -> None:
    kinds = {(about.browser, name.rpartition(".")[2]) for name, about in RECORDINGS.items()}
    assert kinds == {
        ("chromium", "webm"), ("chromium", "mp4"), ("firefox", "webm"), ("firefox", "ogg"),
    }  # fmt: skip
    assert len(RECORDINGS) == 4 * len(kinds)


@pytest.mark.parametrize("name", RECORDINGS)
async def test_mediarecorder_blobs_are_recorded_sample_by_sample(
    service: Service, name: str
) -> None:
    async with service.session(sample_rate=SAMPLE_RATE) as client:
        await send(client, read_blobs(name))
        await client.close_session()
    assert recorded(service, client.session_id) == decoded(name)


@pytest.mark.parametrize("name", RECORDINGS)
async def test_mediarecorder_blobs_may_be_cut_anywhere(service: Service, name: str) -> None:
    pieces = list(cut_anywhere(read_recording(name), seed=len(name), largest=1500))
    async with service.session(sample_rate=SAMPLE_RATE) as client:
        await send(client, pieces)
        await client.close_session()
    assert recorded(service, client.session_id) == decoded(name)


@pytest.mark.parametrize("name", RECORDINGS)
async def test_a_dropped_connection_does_not_change_the_recording(
    service: Service, name: str
) -> None:
    pieces = read_blobs(name)
    middle = random.Random(name).randint(1, len(pieces) - 1)
    async with service.session(sample_rate=SAMPLE_RATE) as client:
        await send(client, pieces[:middle])
        client.drop()
    async with service.session(f"/{client.session_id}", resume="true") as client:
        assert client.greeting["chunk_count"] == middle
        await send(client, pieces[middle:])
        await client.close_session()
    assert recorded(service, client.session_id) == decoded(name)


@pytest.mark.parametrize(("before", "after"), RELOADS)
@pytest.mark.parametrize("resume", ["true", "false"])
async def test_a_reloaded_page_continues_the_same_recording(
    service: Service, before: str, after: str, resume: str
) -> None:
    async with service.session(sample_rate=SAMPLE_RATE) as client:
        await send(client, read_blobs(before))
        client.drop()
    async with service.session(f"/{client.session_id}", resume=resume) as client:
        await send(client, read_blobs(after))
        await client.close_session()
    assert recorded(service, client.session_id) == decoded(before) + decoded(after)


@pytest.mark.parametrize(("before", "after"), RELOADS)
async def test_a_restarted_mediarecorder_continues_the_same_recording(
    service: Service, before: str, after: str
) -> None:
    async with service.session(sample_rate=SAMPLE_RATE) as client:
        await send(client, read_blobs(before) + read_blobs(after))
        await client.close_session()
    assert recorded(service, client.session_id) == decoded(before) + decoded(after)


async def test_a_crashed_tab_leaves_all_audio_that_can_be_decoded(service: Service) -> None:
    """The last blob is missing; the recording equals the decode of the others."""
    for name in RECORDINGS:
        if "250ms" in name:
            pieces = read_blobs(name)[:-3]
            async with service.session(sample_rate=SAMPLE_RATE) as client:
                await send(client, pieces)
                client.drop()
            service.post(f"/api/audio/sessions/{client.session_id}/close")
            expected = decode(b"".join(pieces), sample_rate=SAMPLE_RATE)
            assert len(expected) > 2 * 2 * SAMPLE_RATE
            assert service.pcm(client.session_id) == expected
