"""Every failure of a WebSocket is an error of the client, which says whether it is final."""

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.frames import Close

from sercuescribe_client.connection import error_from_close, open_socket
from sercuescribe_client.errors import (
    ChunkTooLargeError,
    ConnectionReplacedError,
    DecodeFailedError,
    SessionCompletedError,
    UnreachableError,
)
from tests.service import Service


def closed(code: int | None, reason: str = "") -> ConnectionClosedError:
    return ConnectionClosedError(None if code is None else Close(code, reason), None)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1000, SessionCompletedError),
        (1009, ChunkTooLargeError),
        (4103, ConnectionReplacedError),
        (1012, UnreachableError),
        (None, UnreachableError),
    ],
)
def test_a_close_code_without_a_message_has_an_error(code: int | None, kind: type) -> None:
    assert type(error_from_close(closed(code), None)) is kind


def test_a_refusal_has_the_reason_of_the_service() -> None:
    error = error_from_close(closed(1008, "Session not found"), None)
    assert (error.code, str(error), error.is_final) == ("refused", "Session not found", True)


@pytest.mark.parametrize(("code", "is_final"), [(1008, True), (1011, False), (1013, False)])
def test_the_error_message_before_the_close_is_the_cause(code: int, is_final: bool) -> None:
    message = DecodeFailedError("decode_failed", "damaged")
    error = error_from_close(closed(code), message)
    assert error is message
    assert error.is_final == is_final


async def test_a_service_that_does_not_listen_is_unreachable_and_its_token_is_not_named() -> None:
    with pytest.raises(UnreachableError) as failure:
        async with open_socket("ws://127.0.0.1:1/x?token=secret", {}, timeout_seconds=5):
            pass
    assert "ws://127.0.0.1:1/x: " in str(failure.value)
    assert "secret" not in str(failure.value)


async def test_leaving_the_context_closes_the_socket_and_not_the_session(service: Service) -> None:
    async with open_socket(service.ws_url, {}, timeout_seconds=30) as socket:
        assert b'"active"' in await socket.recv(decode=False)
    assert socket.close_code == 1000
    (session,) = service.get("/api/audio/sessions").json()["sessions"]
    assert session["status"] == "active"
