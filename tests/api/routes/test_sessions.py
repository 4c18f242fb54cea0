"""The HTTP endpoints of sessions."""

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
import requests
import soundfile

from tests.audio import pcm
from tests.eventually import eventually
from tests.service import Client, Service

SESSIONS = "/api/audio/sessions"
UNKNOWN = "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"


async def recording(service: Service, *chunks: bytes, **query: Any) -> str:
    """Record ``chunks``, complete the session, and return its id."""
    async with service.session(**query) as client:
        for chunk in chunks:
            await client.send(chunk)
        await client.close_session()
    return client.session_id


async def test_session_information_has_every_documented_field(service: Service) -> None:
    async with service.session(sample_rate=8000, user_id="u", format="pcm_s16le") as client:
        await client.send(pcm(4000))
        info = service.get(f"{SESSIONS}/{client.session_id}").json()
    created_at = datetime.fromisoformat(info.pop("created_at"))
    assert abs((datetime.now(UTC) - created_at).total_seconds()) < 60
    persisted = info.pop("persisted_chunk_count")
    assert info.pop("unpersisted_bytes") == (8000 if persisted == 0 else 0)
    assert (info.pop("unpersisted_seconds") > 0) == (persisted == 0)
    assert info == {
        "session_id": client.session_id,
        "status": "active",
        "user_id": "u",
        "title": None,
        "metadata": {},
        "hold": False,
        "expires_at": None,
        "sample_rate": 8000,
        "channels": 1,
        "format": "pcm_s16le",
        "total_chunks": 1,
        "duration_seconds": 0.5,
        "file_path": str(service.wav(client.session_id)),
        "size_bytes": 8080,
        "paused": False,
        "connections": 1,
        "disconnected_at": None,
        "idle_until": None,
        "completed_at": None,
        "error": None,
        "warnings": [],
        "warning_count": 0,
        "receipt": None,
    }


async def test_an_active_session_without_connections_tells_since_when_and_until_when(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(session_idle_timeout_seconds=600)
    async with service.session() as client:
        await client.send(pcm(100))
    info = await eventually(
        lambda: service.get(f"{SESSIONS}/{client.session_id}").json(),
        lambda info: info["connections"] == 0,
        awaiting="a session without connections",
    )
    began, end = (datetime.fromisoformat(info[key]) for key in ("disconnected_at", "idle_until"))
    assert abs((datetime.now(UTC) - began).total_seconds()) < 60
    assert (end - began).total_seconds() == 600


async def test_closing_twice_returns_the_same_final_information(
    service: Service,
) -> None:
    async with service.session() as client:
        await client.send(pcm(44100))
    answers = [service.post(f"{SESSIONS}/{client.session_id}/close") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    first, second = (answer.json() for answer in answers)
    assert first == second
    assert first["success"] is True
    assert first["session"]["status"] == "completed"
    assert first["session"]["duration_seconds"] == 1.0
    assert first["session"]["completed_at"] is not None


async def test_a_session_created_over_http_can_be_streamed_to_later(service: Service) -> None:
    created = service.post(SESSIONS, json={"sample_rate": 16000, "user_id": "later"})
    assert created.status_code == 201
    body = created.json()
    assert body["ws_url"] == f"{service.ws_url}/{body['session_id']}"
    assert body["session"]["sample_rate"] == 16000
    async with service.session(f"/{body['session_id']}") as client:
        await client.send(pcm(160))
        await client.close_session()
    assert service.pcm(body["session_id"]) == pcm(160)


@pytest.mark.parametrize("body", [None, {}])
def test_a_session_created_without_parameters_has_the_defaults(
    service: Service, body: dict[str, Any] | None
) -> None:
    session = service.post(SESSIONS, json=body).json()["session"]
    assert (session["sample_rate"], session["channels"], session["format"]) == (44100, 1, "wav")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"sample_rate": 1},
            {"error": "Invalid sample rate", "code": "invalid_sample_rate",
             "valid_values": [8000, 16000, 22050, 44100, 48000, 96000]},
        ),
        (
            {"channels": 7},
            {"error": "Invalid channels", "code": "invalid_channels", "valid_values": [1, 2]},
        ),
        ({"user_id": "x" * 257}, {"error": "Invalid user id", "code": "invalid_user_id"}),
    ],
)  # fmt: skip
def test_invalid_parameters_get_422_in_the_documented_shape(
    service: Service, body: dict[str, Any], expected: dict[str, Any]
) -> None:
    answer = service.post(SESSIONS, json=body)
    assert answer.status_code == 422
    assert answer.json() == expected


@pytest.mark.parametrize(
    ("request_options", "code"),
    [
        ({"json": {"channels": "one"}}, "invalid_channels"),
        ({"json": [1]}, "invalid_body"),
        ({"data": "{", "headers": {"Content-Type": "application/json"}}, "invalid_body"),
    ],
)
def test_an_invalid_body_gets_422(
    service: Service, request_options: dict[str, Any], code: str
) -> None:
    answer = service.post(SESSIONS, **request_options)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


DETAILS: dict[str, Any] = {"title": "Zoë: «Interview»", "metadata": {"project": "radio", "a.b": ""}}


async def test_details_given_at_creation_are_in_information_lists_and_manifest(
    service: Service,
) -> None:
    created = service.post(SESSIONS, json=DETAILS).json()["session"]
    query = {"title": quote("Zoë: «Interview»"), "metadata.project": "radio", "metadata.a.b": ""}
    async with service.session(**query) as client:
        await client.send(pcm(10))
        await client.close_session()
    listed = service.get(SESSIONS, params={"limit": 2}).json()["sessions"]
    for session_id, info in zip((client.session_id, created["session_id"]), listed, strict=True):
        assert info["session_id"] == session_id
        manifest = service.manifest(session_id)
        stored = service.get(f"{SESSIONS}/{session_id}").json()
        for found in (info, manifest, stored):
            assert {name: found[name] for name in DETAILS} == DETAILS


async def test_details_changed_while_a_session_records_survive_a_kill_and_completion(
    start_service: Callable[..., Service],
) -> None:
    service = start_service()
    async with service.session(title="Draft", **{"metadata.project": "radio"}) as client:
        path = f"{SESSIONS}/{client.session_id}"
        await client.send(pcm(100))
        changed = service.patch(path, json={"title": "Interview"})
        assert (changed.status_code, changed.json()["title"]) == (200, "Interview")
        assert changed.json()["metadata"] == {"project": "radio"}
        service.kill()
    service.start()
    assert service.get(path).json()["title"] == "Interview"
    service.patch(path, json={"metadata": {"room": "2"}})
    closed = service.post(f"{path}/close").json()["session"]
    assert (closed["title"], closed["metadata"]) == ("Interview", {"room": "2"})
    assert service.patch(path, json={"title": "After"}).json()["status"] == "completed"
    service.kill()
    service.start()
    info = service.get(path).json()
    assert (info["title"], info["metadata"], info["total_chunks"]) == ("After", {"room": "2"}, 1)
    assert service.patch(path, json={"title": None, "metadata": None}).json()["title"] is None


async def test_a_session_with_a_hold_is_not_deleted_and_a_kill_changes_nothing(
    start_service: Callable[..., Service],
) -> None:
    service = start_service()
    body = {"hold": True, "expires_at": "2999-01-01T01:00:00+01:00"}
    created = service.post(SESSIONS, json=body).json()["session"]
    path = f"{SESSIONS}/{created['session_id']}"
    expected = {"hold": True, "expires_at": "2999-01-01T00:00:00Z"}

    def check() -> None:
        answer = service.delete(path)
        assert (answer.status_code, answer.json()["code"]) == (409, "session_held")
        (listed,) = service.get(SESSIONS).json()["sessions"]
        manifest = service.manifest(created["session_id"])
        for found in (listed, manifest, service.get(path).json()):
            assert {name: found[name] for name in expected} == expected

    check()
    service.kill()
    service.start()
    check()
    service.post(f"{path}/close")
    check()
    service.kill()
    service.start()
    check()
    changed = service.patch(path, json={"hold": False, "expires_at": None}).json()
    assert (changed["hold"], changed["expires_at"]) == (False, None)
    assert service.delete(path).status_code == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"hold": "yes"}, "invalid_hold"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "invalid_expires_at"),
        ({"title": "x" * 201}, "invalid_title"),
        ({"title": ["x"]}, "invalid_title"),
        ({"metadata": {"k": "x" * 4096}}, "invalid_metadata"),
        ({"metadata": {"k": {"deep": "x"}}}, "invalid_metadata"),
        ([1], "invalid_body"),
    ],
    ids=["hold", "past", "long title", "list", "large metadata", "deep metadata", "array"],
)
def test_invalid_details_get_422_when_a_session_is_created_or_changed(
    service: Service, body: Any, code: str
) -> None:
    session_id = service.post(SESSIONS).json()["session_id"]
    for answer in (
        service.patch(f"{SESSIONS}/{session_id}", json=body),
        service.post(SESSIONS, json=body),
    ):
        assert (answer.status_code, answer.json()["code"]) == (422, code)


@pytest.mark.parametrize("session_id", [UNKNOWN, "your-session-uuid-here", "..%2f..%2fetc"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("POST", "/close"),
        ("DELETE", ""),
        ("GET", "/audio"),
        ("GET", "/download"),
    ],
)
def test_an_unknown_session_gets_404_in_the_documented_shape(
    service: Service, method: str, path: str, session_id: str
) -> None:
    answer = requests.request(method, f"{service.url}{SESSIONS}/{session_id}{path}", timeout=10)
    assert answer.status_code == 404
    if "%2f" not in session_id:
        assert answer.json() == {
            "error": "Session not found",
            "code": "session_not_found",
            "session_id": session_id,
        }


async def test_the_audio_of_a_completed_session_is_a_wav_of_the_sent_samples(
    service: Service,
) -> None:
    session_id = await recording(service, pcm(1000, channels=2), channels=2, sample_rate=48000)
    answer = service.get(f"{SESSIONS}/{session_id}/audio")
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.content == service.wav(session_id).read_bytes()
    samples, rate = soundfile.read(io.BytesIO(answer.content), dtype="int16")
    assert (rate, samples.tobytes()) == (48000, pcm(1000, channels=2))


async def test_the_audio_of_an_active_session_holds_all_samples_so_far(service: Service) -> None:
    async with service.session() as client:
        etags = set()
        for turn in range(1, 4):
            await client.send(pcm(1000, seed=turn))
            answer = service.get(f"{SESSIONS}/{client.session_id}/audio")
            samples, _ = soundfile.read(io.BytesIO(answer.content), dtype="int16")
            assert samples.tobytes() == b"".join(pcm(1000, seed=s) for s in range(1, turn + 1))
            etags.add(answer.headers["etag"])
        assert len(etags) == 3


async def test_range_and_conditional_requests_are_honoured(service: Service) -> None:
    session_id = await recording(service, pcm(1000))
    path, whole = f"{SESSIONS}/{session_id}/audio", service.wav(session_id).read_bytes()

    def ask(**headers: str) -> requests.Response:
        return service.get(path, headers={k.replace("_", "-"): v for k, v in headers.items()})

    part = ask(Range="bytes=70-99")
    assert (part.status_code, part.content) == (206, whole[70:100])
    assert part.headers["content-range"] == f"bytes 70-99/{len(whole)}"
    assert part.headers["content-length"] == "30"
    etag = part.headers["etag"]
    assert ask(Range="bytes=-5").content == whole[-5:]
    assert ask(Range="bytes=0-1", If_Range=etag).status_code == 206
    assert ask(Range="bytes=0-1", If_Range='"other"').status_code == 200
    assert ask(If_None_Match=etag).status_code == 304
    assert ask(If_None_Match=f'"other", {etag}').status_code == 304
    refused = ask(Range="bytes=5000-")
    assert (refused.status_code, refused.json()["code"]) == (416, "range_not_satisfiable")
    assert refused.headers["content-range"] == f"bytes */{len(whole)}"


async def test_head_returns_the_headers_of_get(service: Service) -> None:
    session_id = await recording(service, pcm(1000))
    url = f"{service.url}{SESSIONS}/{session_id}/audio"
    head = requests.head(url, timeout=10)
    assert (head.status_code, head.content) == (200, b"")
    get = requests.get(url, timeout=10)
    for name in ("content-length", "content-type", "etag", "last-modified", "accept-ranges"):
        assert head.headers[name] == get.headers[name]


async def test_a_download_link_needs_no_credentials_and_states_its_expiry(service: Service) -> None:
    session_id = await recording(service, pcm(100))
    before = datetime.now(UTC)
    link = service.get(f"{SESSIONS}/{session_id}/download").json()
    expires_at, ttl = datetime.fromisoformat(link["expires_at"]), timedelta(seconds=3600)
    assert before + ttl - timedelta(seconds=1) < expires_at <= datetime.now(UTC) + ttl
    assert requests.get(link["url"], timeout=10).content[80:] == pcm(100)


async def test_an_altered_or_expired_link_is_refused(start_service: Callable[..., Service]) -> None:
    service = start_service(download_url_ttl_seconds=1, signing_secret="s" * 32)
    session_id = await recording(service, pcm(100))
    url = service.get(f"{SESSIONS}/{session_id}/download").json()["url"]
    altered = requests.get(url[:-1] + ("0" if url[-1] != "0" else "1"), timeout=10)
    assert (altered.status_code, altered.json()["code"]) == (403, "invalid_signature")
    unsigned = service.get(f"{SESSIONS}/{session_id}/audio?expires=99999999999")
    assert unsigned.status_code == 403
    answer = requests.get(url, timeout=10)
    while answer.status_code == 200:  # until the link expires
        answer = requests.get(url, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (403, "url_expired")


async def test_links_have_the_public_address_and_stay_valid_after_a_restart(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(public_url="https://rec.example.org/")
    session_id = await recording(service, pcm(100))
    url = service.get(f"{SESSIONS}/{session_id}/download").json()["url"]
    assert url.startswith(f"https://rec.example.org{SESSIONS}/{session_id}/audio?expires=")
    created = service.post(SESSIONS).json()
    assert created["ws_url"].startswith("wss://rec.example.org/api/ws/audio/")
    service.stop()
    service.start()
    again = url.replace("https://rec.example.org", service.url)
    assert requests.get(again, timeout=10).content[80:] == pcm(100)


async def test_a_deleted_session_leaves_no_files(service: Service) -> None:
    session_id = await recording(service, pcm(100))
    answer = service.delete(f"{SESSIONS}/{session_id}")
    assert answer.status_code == 200
    assert answer.json() == {
        "success": True,
        "message": "Session deleted",
        "session_id": session_id,
        "session": None,
    }
    assert not list(service.folder.glob(f"{session_id}*"))
    assert service.delete(f"{SESSIONS}/{session_id}").status_code == 404


async def test_a_service_at_its_session_limit_answers_503(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(max_concurrent_sessions=1)
    assert service.post(SESSIONS).status_code == 201
    answer = service.post(SESSIONS)
    assert (answer.status_code, answer.json()["code"]) == (503, "too_many_sessions")


async def test_a_download_of_an_active_session_has_the_length_at_its_start(
    service: Service,
) -> None:
    async with service.session(sample_rate=96000, channels=2) as client:
        await client.send(pcm(1_000_000, channels=2))
        with service.get(f"{SESSIONS}/{client.session_id}/audio", stream=True) as answer:
            blocks = answer.iter_content(100_000)
            first = next(blocks)
            await client.send(pcm(500_000, channels=2))
            content = first + b"".join(blocks)
    assert len(content) == int(answer.headers["content-length"]) == 80 + 4_000_000


def test_error_answers_hold_no_traceback(service: Service) -> None:
    assert Client.__doc__ is not None
    answer = service.get(f"{SESSIONS}/{UNKNOWN}")
    assert "Traceback" not in answer.text
