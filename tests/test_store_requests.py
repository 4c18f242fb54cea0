"""P9, reading is cheap: the requests of each endpoint to the bucket, counted by a proxy."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

import pytest
import pytest_asyncio
import requests
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from storage.s3.keys import SessionKeys
from tests import engines
from tests.audio import pcm
from tests.eventually import eventually
from tests.faults import FaultyStore, faulty_store
from tests.s3_requests import Request
from tests.service import Service
from tests.test_access import SECRET, token

USER = {"Authorization": f"Bearer {token('alice', 'record read')}"}

# The lookup of a completed session reads its manifest once.
MANIFEST = {"manifest": 1}
NOTHING: dict[str, int] = {}


class Call(NamedTuple):
    """A request below ``/api/audio/sessions/{id}``, and the reads that it may cost."""

    method: str
    path: str
    status: int
    completed: dict[str, int]
    active: dict[str, int]


CALLS = [
    Call("GET", "", 200, MANIFEST, NOTHING),
    Call("GET", "/download", 200, MANIFEST, NOTHING),
    Call("GET", "/audio", 307, MANIFEST, NOTHING),
    Call("HEAD", "/audio", 200, MANIFEST, NOTHING),
    Call("HEAD", "/audio?format=flac", 200, MANIFEST, NOTHING),
    Call("GET", "/audio?redirect=false", 200, MANIFEST | {"audio": 1}, {"segments": 1}),
    Call("GET", "/audio?format=flac", 200, MANIFEST | {"audio": 1}, {"segments": 1}),
    Call("GET", "/audio?start=0.01&end=0.02", 200, MANIFEST | {"audio": 1}, {"segments": 1}),
    # The last pixel of a growing waveform is measured again from the last segment.
    Call("GET", "/waveform", 200, MANIFEST | {"waveform": 1}, {"segments": 1}),
    Call("GET", "/waveform?format=svg", 200, MANIFEST | {"waveform": 1}, {"segments": 1}),
    Call("POST", "/tokens", 201, MANIFEST, NOTHING),
    Call("POST", "/close", 200, MANIFEST, NOTHING),
]


@pytest.fixture(scope="module")
def store(moto_url: str) -> Iterator[FaultyStore]:
    with faulty_store(moto_url) as store:
        yield store


@pytest.fixture(scope="module")
def service(store: FaultyStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A node whose lease, segments and takeovers are not due while a test counts."""
    service = Service(
        tmp_path_factory.mktemp("spool"),
        storage_backend="s3",
        s3_bucket=engines.BUCKET,
        s3_prefix="counted/",
        s3_endpoint_url=store.url,
        lease_seconds=3600,
        segment_seconds=3600,
        auth_mode="jwt",
        jwt_secret=SECRET,
        jwt_issuer="https://id.example",
        jwt_audience="recorder",
        signing_secret="shared by all nodes of the service",
    ).start()
    yield service
    assert service.stop() == 0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def other_id(service: Service, moto_url: str) -> str:
    """A completed session that no test reads for its own sake."""
    return await record(service, moto_url, complete=True)


async def record(service: Service, store_url: str, *, complete: bool) -> str:
    """Record a session, and return when everything is persisted and nothing is left to clean up."""
    session_id = await asyncio.to_thread(_record, service, complete=complete)
    if complete:
        marker = f"counted/{SessionKeys(UUID(session_id)).active}"
        await eventually(
            lambda: engines.client(store_url).list_objects_v2(Bucket=engines.BUCKET, Prefix=marker)[
                "KeyCount"
            ],
            lambda count: count == 0,
            awaiting="the clean-up of the session, whose last step removes its marker",
        )
    return session_id


def _record(service: Service, *, complete: bool) -> str:
    with connect(service.ws_url, additional_headers=USER) as socket:
        socket.recv()
        socket.send(pcm(4000))
        socket.recv()
        socket.send('{"type": "control", "action": "flush"}')
        socket.recv()
        if complete:
            socket.send('{"type": "control", "action": "close_session"}')
            with pytest.raises(ConnectionClosed):
                while True:
                    socket.recv()
        return str(requests.get(f"{service.url}/api/audio/sessions", headers=USER, timeout=30)
                   .json()["sessions"][0]["session_id"])  # fmt: skip


def kind_of(request: Request, session_id: str) -> str:
    """Name what a request reads: an object of the session, or a list."""
    _, _, key = request.path.partition(session_id)
    if request.operation != "GetObject":
        return request.operation
    if key.startswith("/"):
        return key.split("/")[1]
    kinds = {".json": "manifest", ".meta.json": "details", ".wav": "audio", ".dat": "waveform"}
    return kinds.get(key, "other")


def requests_since(
    count: int, store: FaultyStore, service: Service, other_id: str
) -> list[Request]:
    """Return the requests after the first ``count``, with those of tasks in the background.

    A later call reads the manifest of another session. When it is answered, tasks that an earlier
    call has started have sent their requests.
    """
    url = f"{service.url}/api/audio/sessions/{other_id}"
    assert requests.get(url, headers=USER, timeout=30).status_code == 200
    return [request for request in store.requests[count:] if other_id not in request.path]


@pytest.mark.parametrize("status", ["completed", "active"])
@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.method} {call.path}")
async def test_an_endpoint_sends_only_the_requests_that_it_needs(
    service: Service, store: FaultyStore, moto_url: str, other_id: str, call: Call, status: str
) -> None:
    session_id = await record(service, moto_url, complete=status == "completed")
    since = len(store.requests)
    if (call.path, status) == ("/close", "active"):
        return  # it writes; other tests count the writes
    url = f"{service.url}/api/audio/sessions/{session_id}{call.path}"
    answer = requests.request(call.method, url, headers=USER, timeout=30, allow_redirects=False)
    expected_status = 200 if (call.status, status) == (307, "active") else call.status
    assert answer.status_code == expected_status, answer.text
    expected = call.completed if status == "completed" else call.active
    if (call.status, status) == (307, "active"):
        expected = {"segments": 1}
    sent = requests_since(since, store, service, other_id)
    assert Counter(kind_of(request, session_id) for request in sent) == expected


async def test_a_recording_whose_object_is_missing_gets_404(
    service: Service, store: FaultyStore, moto_url: str
) -> None:
    session_id = await record(service, moto_url, complete=True)
    engines.client(store.url).delete_object(Bucket=engines.BUCKET, Key=f"counted/{session_id}.wav")
    url = f"{service.url}/api/audio/sessions/{session_id}/audio?redirect=false"
    answer = requests.get(url, headers=USER, timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (404, "session_not_found")


async def test_listening_to_a_completed_session_reads_its_manifest_and_its_audio(
    service: Service, store: FaultyStore, moto_url: str, other_id: str
) -> None:
    session_id = await record(service, moto_url, complete=True)
    since = len(store.requests)
    with connect(f"{service.ws_url}/{session_id}/listen", additional_headers=USER) as socket:
        socket.recv()
        assert socket.recv() == bytes(8) + pcm(4000)
    sent = requests_since(since, store, service, other_id)
    found = Counter(kind_of(request, session_id) for request in sent)
    assert found == MANIFEST | {"audio": 1}


async def test_a_page_of_the_session_list_reads_each_manifest_once(
    service: Service, store: FaultyStore, moto_url: str, other_id: str
) -> None:
    for complete in (True, False, True):
        await record(service, moto_url, complete=complete)
    since = len(store.requests)
    url = f"{service.url}/api/audio/sessions?limit=3"
    sessions = requests.get(url, headers=USER, timeout=30).json()["sessions"]
    assert [session["status"] for session in sessions] == ["completed", "active", "completed"]
    sent = requests_since(since, store, service, other_id)
    assert Counter(request.operation for request in sent)["List"] == 1
    for session in sessions:
        reads = [request for request in sent if session["session_id"] in request.path]
        kinds = [kind_of(read, session["session_id"]) for read in reads]
        # What clients change of an active session is in an object of its own.
        assert kinds == ["manifest", "details"][: 2 if session["status"] == "active" else 1]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_request_for_a_foreign_session_reads_one_manifest(
    service: Service, store: FaultyStore, moto_url: str, other_id: str, method: str
) -> None:
    session_id = await record(service, moto_url, complete=True)
    since = len(store.requests)
    other = {"Authorization": f"Bearer {token('mallory', 'record read')}"}
    url = f"{service.url}/api/audio/sessions/{session_id}"
    assert requests.request(method, url, headers=other, timeout=30).status_code == 404
    sent = requests_since(since, store, service, other_id)
    assert Counter(kind_of(request, session_id) for request in sent) == MANIFEST
