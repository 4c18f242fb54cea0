"""The waveform endpoint, for active and completed sessions."""

import asyncio
import contextlib
import io
import json
import os
import socket
from collections.abc import Callable
from typing import Any

import psutil
import pytest
import soundfile

from storage.pcm import PcmFormat
from storage.waveform import peaks
from tests.api.wire.test_waveform_picture import read_png
from tests.audio import dat, pcm, pixels, speech
from tests.service import Service

SESSIONS = "/api/audio/sessions"
UNKNOWN = "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"


async def recorded(service: Service, data: bytes, **query: Any) -> str:
    async with service.session(**query) as client:
        for start in range(0, len(data), 1_000_000):
            await client.send(data[start : start + 1_000_000])
        await client.close_session()
    return f"{SESSIONS}/{client.session_id}/waveform"


async def test_the_json_format_is_that_of_audiowaveform(service: Service) -> None:
    data = pcm(2500, channels=2)
    answer = service.get(await recorded(service, data, sample_rate=16000, channels=2))
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == {
        "version": 2,
        "channels": 2,
        "sample_rate": 16000,
        "samples_per_pixel": 320,
        "bits": 16,
        "length": 8,
        "data": list(memoryview(pixels(data, per_pixel=320, channels=2)).cast("h")),
    }


async def test_the_binary_format_is_that_of_audiowaveform(service: Service) -> None:
    url = await recorded(service, speech(), sample_rate=22050)
    answer = service.get(url + "?format=dat")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.content == dat(speech()[44:], sample_rate=22050)
    audio = service.get(url.replace("waveform", "audio"))
    samples, _ = soundfile.read(io.BytesIO(audio.content), dtype="int16")
    assert answer.content == dat(samples.tobytes(), sample_rate=22050)


@pytest.mark.parametrize("width", [1, 10, 40, 100, 20_000])
async def test_a_smaller_width_gives_more_samples_per_pixel(service: Service, width: int) -> None:
    data = pcm(16000)
    url = await recorded(service, data, sample_rate=16000)
    found = peaks.decode(service.get(f"{url}?format=dat&width={width}").content)
    assert found.samples_per_pixel == 320 * {1: 50, 10: 5, 40: 2}.get(width, 1)
    assert found.pixels == pixels(data, per_pixel=found.samples_per_pixel)
    answer = service.get(f"{url}?width={width}").json()
    assert answer["length"] == found.length <= width
    assert answer["data"] == list(memoryview(found.pixels[:]).cast("h"))


async def test_start_and_end_select_a_part_of_the_waveform(service: Service) -> None:
    data = pcm(16000)
    url = await recorded(service, data, sample_rate=16000)
    found = peaks.decode(service.get(f"{url}?format=dat&start=0.25&end=0.5").content)
    assert found.pixels == pixels(data[2 * 320 * 12 : 2 * 320 * 25], per_pixel=320)
    assert service.get(f"{url}?start=7").json()["data"] == []


async def test_the_waveform_of_a_long_recording_is_complete(service: Service) -> None:
    data = pcm(16000) * 400
    url = await recorded(service, data, sample_rate=16000)
    expected = dat(data, sample_rate=16000)
    assert service.get(f"{url}?format=dat").content == expected
    assert service.get(url).json()["data"] == list(memoryview(expected[24:]).cast("h"))


async def test_the_waveform_of_an_active_session_covers_all_audio_so_far(service: Service) -> None:
    data, etags = pcm(16000), set()
    async with service.session(sample_rate=16000) as client:
        url = f"{SESSIONS}/{client.session_id}/waveform?format=dat"
        for start in range(0, len(data), 5000):
            await client.send(data[start : start + 5000])
            answer = service.get(url)
            assert answer.content == dat(data[: start + 5000], sample_rate=16000)
            etags.add(answer.headers["ETag"])
        assert len(etags) == 7


async def test_pictures_have_the_requested_size_and_colors(service: Service) -> None:
    url = await recorded(service, pcm(16000), sample_rate=16000)
    answer = service.get(f"{url}?format=png&width=300&height=40&color=00ff00&background=00000000")
    assert answer.headers["Content-Type"] == "image/png"
    chunks, found = read_png(answer.content)
    assert found.shape == (40, 300)
    assert chunks[b"PLTE"] == b"\0\0\0\0\xff\0"
    answer = service.get(f"{url}?format=svg&width=300&height=40")
    assert answer.headers["Content-Type"].startswith("image/svg+xml")
    assert 'viewBox="0 0 300 40"' in answer.text
    assert read_png(service.get(f"{url}?format=png").content)[1].shape == (200, 1000)


async def test_a_client_with_the_current_etag_gets_304(service: Service) -> None:
    url = await recorded(service, pcm(1600))
    etag = service.get(url).headers["ETag"]
    answer = service.get(url, headers={"If-None-Match": etag})
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["ETag"] == etag


@pytest.mark.parametrize("session_id", [UNKNOWN, "no-id"])
def test_the_waveform_of_an_unknown_session_gets_404(service: Service, session_id: str) -> None:
    answer = service.get(f"{SESSIONS}/{session_id}/waveform")
    assert (answer.status_code, answer.json()["code"]) == (404, "session_not_found")


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("format=gif", "format"),
        ("width=0", "width"),
        ("width=20001", "width"),
        ("width=wide", "width"),
        ("height=15", "height"),
        ("height=1001", "height"),
        ("start=-1", "start"),
        ("start=nan", "start"),
        ("start=inf", "start"),
        ("end=-1", "end"),
        ("end=nan", "end"),
        ("color=red", "color"),
        ("color=%22%2F%3E", "color"),
        ("background=fff", "background"),
    ],
)
async def test_an_invalid_parameter_is_refused_by_name(
    service: Service, query: str, parameter: str
) -> None:
    answer = service.get(f"{SESSIONS}/{UNKNOWN}/waveform?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, f"invalid_{parameter}")


@pytest.mark.parametrize("query", ["?format=dat", "?format=json"])
async def test_readers_of_a_long_waveform_that_do_not_read_use_little_memory(
    start_service: Callable[..., Service], query: str
) -> None:
    service = start_service()
    session_id = await service.record(pcm(160), sample_rate=16000, channels=2)
    # Make it a day long: the audio is not read.
    seconds = 24 * 3600
    manifest = service.manifest(session_id) | {
        "size_bytes": 80 + seconds * 64_000,
        "frames": seconds * 16_000,
        "duration_seconds": seconds,
        "container": "RF64",
    }
    (service.folder / f"{session_id}.json").write_text(json.dumps(manifest))
    os.truncate(service.folder / f"{session_id}.wav", manifest["size_bytes"])
    day = bytes(8 * 50 * seconds)
    (service.folder / f"{session_id}.dat").write_bytes(
        peaks.header(PcmFormat(16000, 2), len(day) // 8) + day
    )
    path = f"/api/audio/sessions/{session_id}/waveform"
    assert len((await asyncio.to_thread(service.get, f"{path}?format=dat")).content) == 24 + len(
        day
    )
    process = psutil.Process(service.pid)
    before_bytes = process.memory_info().rss
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", service.port))
            request = f"GET {path}{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
            connection.sendall(request.encode())
            connection.recv(1)
        assert process.memory_info().rss - before_bytes < 40_000_000
