"""The audio endpoint: excerpts and other formats, over HTTP."""

from datetime import datetime

import psutil
import pytest
import requests

from storage import wav
from storage.pcm import PcmFormat
from tests.audio import decode, pcm
from tests.eventually import eventually
from tests.service import Service, children_of

SESSIONS = "/api/audio/sessions"
DATA = pcm(96_000, channels=2)


@pytest.fixture
async def session_id(service: Service) -> str:
    async with service.session(sample_rate=48000, channels=2) as client:
        await client.send(DATA)
        await client.close_session()
    return client.session_id


@pytest.mark.parametrize(
    ("query", "begin", "stop"),
    [
        ("start=0.5&end=1.25", 24_000, 60_000),
        ("start=1.5", 72_000, 96_000),
        ("end=0.00001", 0, 0),
        ("end=0.25", 0, 12_000),
        ("start=1.9&end=900", 91_200, 96_000),
        ("start=7&end=inf", 96_000, 96_000),
        ("start=1&end=0.5", 48_000, 48_000),
        ("format=wav", 0, 96_000),
    ],
)
async def test_an_excerpt_is_a_wav_of_the_frames_between_start_and_end(
    service: Service, session_id: str, query: str, begin: int, stop: int
) -> None:
    answer = service.get(f"{SESSIONS}/{session_id}/audio?{query}")
    part = DATA[4 * begin : 4 * stop]
    assert answer.content == wav.header(PcmFormat(48000, 2), len(part)) + part
    assert answer.headers["content-type"] == "audio/wav"


async def test_flac_over_http_holds_exactly_the_recorded_samples(
    service: Service, session_id: str
) -> None:
    answer = service.get(f"{SESSIONS}/{session_id}/audio?format=flac&start=0.5")
    assert answer.headers["content-type"] == "audio/flac"
    assert answer.headers["content-disposition"].endswith('.flac"')
    assert decode(answer.content, sample_rate=48000, channels=2) == DATA[4 * 24_000 :]


@pytest.mark.parametrize(("name", "media_type"), [("mp3", "audio/mpeg"), ("opus", "audio/ogg")])
async def test_lossy_formats_have_the_length_of_the_recording(
    service: Service, session_id: str, name: str, media_type: str
) -> None:
    answer = service.get(f"{SESSIONS}/{session_id}/audio?format={name}")
    assert answer.headers["content-type"] == media_type
    frames = len(decode(answer.content, sample_rate=48000, channels=2)) // 4
    assert abs(frames - 96_000) < 0.1 * 48_000


@pytest.mark.parametrize("query", ["format=wav", "start=0.5&end=1.5", "format=mp3&end=1"])
async def test_the_length_is_told_where_it_is_known(
    service: Service, session_id: str, query: str
) -> None:
    path = f"{SESSIONS}/{session_id}/audio?{query}"
    answer = service.get(path)
    assert int(answer.headers["content-length"]) == len(answer.content)
    headed = requests.head(service.url + path, timeout=30)
    assert headed.headers["content-length"] == answer.headers["content-length"]


@pytest.mark.parametrize(
    ("path", "suffix"),
    [("audio", "wav"), ("audio?end=1", "wav"), ("audio?format=opus", "opus"), ("waveform", "json")],
)
async def test_a_download_is_named_after_the_time_of_recording(
    service: Service, session_id: str, path: str, suffix: str
) -> None:
    created_at = service.get(f"{SESSIONS}/{session_id}").json()["created_at"]
    day, time = created_at[:10], created_at[11:19].replace(":", "")
    answer = service.get(f"{SESSIONS}/{session_id}/{path}")
    disposition = f'inline; filename="recording-{day}-{time}Z.{suffix}"'
    assert answer.headers["content-disposition"] == disposition


async def test_a_download_is_named_after_the_title_in_every_kind_of_client(
    service: Service,
) -> None:
    body = {"title": 'Zoë: "a/b"', "sample_rate": 16000}
    info = service.post(SESSIONS, json=body).json()["session"]
    at = datetime.fromisoformat(info["created_at"]).strftime("%Y-%m-%d-%H%M%SZ")
    answer = service.get(f"{SESSIONS}/{info['session_id']}/audio")
    assert answer.headers["content-disposition"] == (
        f"inline; filename=\"recording-{at}.wav\"; filename*=UTF-8''Zo%C3%AB-%20-a-b--{at}.wav"
    )


async def test_an_active_session_is_converted_up_to_its_current_length(service: Service) -> None:
    async with service.session() as client:
        await client.send(pcm(10_000))
        answer = service.get(f"{SESSIONS}/{client.session_id}/audio?format=flac")
    assert decode(answer.content, sample_rate=44100) == pcm(10_000)


@pytest.mark.parametrize("query", ["format=aiff", "start=-1", "end=nan", "start=x"])
async def test_an_invalid_excerpt_or_format_is_refused_by_name(
    service: Service, session_id: str, query: str
) -> None:
    answer = service.get(f"{SESSIONS}/{session_id}/audio?{query}")
    assert answer.status_code == 422
    assert answer.json()["code"] == f"invalid_{query.partition('=')[0]}"


async def test_a_client_that_disconnects_ends_its_conversion(service: Service) -> None:
    async with service.session(sample_rate=96000, channels=2) as client:
        for seed in range(8):
            await client.send(pcm(2_000_000, channels=2, seed=seed))
        await client.close_session()
    url = f"{SESSIONS}/{client.session_id}/audio?format=flac"
    with service.get(url, stream=True) as answer:
        content = answer.iter_content(10_000)  # an iterator that is dropped closes the connection
        next(content)
        assert await children_of(psutil.Process(service.pid))
    await eventually(
        psutil.Process(service.pid).children, lambda found: not found, awaiting="no child process"
    )
