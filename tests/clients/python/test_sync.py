"""The client without ``await``, against a real service."""

import asyncio
import inspect
import threading
from pathlib import Path

import pytest

import sercuescribe_client
from sercuescribe_client import Limits, SessionNotFoundError, UnreachableError, sync
from tests.audio import pcm
from tests.service import Service

_ID = "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"


@pytest.mark.parametrize(
    ("blocking", "asynchronous"),
    [
        (sync.Client, sercuescribe_client.Client),
        (sync.Session, sercuescribe_client.Session),
    ],
    ids=["Client", "Session"],
)
def test_both_clients_have_the_same_names_with_the_same_parameters(
    blocking: type, asynchronous: type
) -> None:
    def public(cls: type) -> dict[str, object]:
        return {name: value for name, value in vars(cls).items() if not name.startswith("_")}

    assert sorted(public(blocking)) == sorted(public(asynchronous))
    for name, value in public(blocking).items():
        original = public(asynchronous)[name]
        assert isinstance(value, property) == isinstance(original, property)
        if callable(value) and callable(original):
            assert inspect.signature(value) == inspect.signature(original)
            assert value.__doc__ == original.__doc__


def test_a_session_is_recorded_listed_changed_heard_downloaded_and_deleted(
    service: Service, tmp_path: Path
) -> None:
    with sync.Client(service.url) as client:
        with client.create(sample_rate=16000) as session:
            for _ in range(3):
                session.send(pcm(1000))
            session.flush()
            assert next(iter(session)).persisted == 3
        assert session.verification.result == "verified"
        client.update(session.session_id, title="From a thread")
        assert session.session_id in [info.session_id for info in client.list()]
        path = client.download(session.session_id, tmp_path)
        assert client.verify(session.session_id, path).result == "verified"
        heard = b"".join(block.pcm for block in client.listen(session.session_id))
        assert heard == path.read_bytes()[80:] == pcm(1000) * 3
        client.delete(session.session_id)
        with pytest.raises(SessionNotFoundError):
            client.info(session.session_id)
    assert repr(client) == f"Client({service.url!r})"


def test_an_exception_in_the_block_leaves_the_session_active_and_no_thread(
    service: Service,
) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        sync.Client(service.url) as client,
        client.create() as session,
    ):
        session.send(b"four")
        session.flush()
        raise ZeroDivisionError
    info = service.get(f"/api/audio/sessions/{session.session_id}").json()
    assert info["status"] == "active"
    assert "sercuescribe-client" not in {each.name for each in threading.enumerate()}


def test_an_iterator_that_is_not_read_to_the_end_leaves_nothing_behind(service: Service) -> None:
    session_id = service.post("/api/audio/sessions").json()["session_id"]
    with sync.Client(service.url) as client, client.attach(session_id) as session:
        session.send(pcm(1000))
        session.flush()
        for block in client.listen(session_id):
            assert block.frame == 0
            break


def test_an_unreachable_service_is_the_same_error(tmp_path: Path) -> None:
    limits = Limits(retry_timeout_seconds=0.1)
    with (
        sync.Client("http://127.0.0.1:1", limits=limits) as client,
        pytest.raises(UnreachableError),
    ):
        client.download(_ID, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_callback_that_calls_the_client_is_an_error_and_not_a_deadlock(
    service: Service, tmp_path: Path
) -> None:
    session_id = asyncio.run(service.record(pcm(1000)))
    with sync.Client(service.url) as client:

        def call_client(_size_bytes: int, _total_bytes: int | None) -> None:
            client.info(session_id)

        with pytest.raises(RuntimeError, match="must not call it"):
            client.download(session_id, tmp_path, on_progress=call_client)
