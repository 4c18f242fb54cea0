"""One WebSocket to the service; whatever ends it is one of our errors."""

import contextlib
from collections.abc import AsyncIterator, Iterator

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus

from sercuescribe_client.door import refusal
from sercuescribe_client.errors import (
    FINAL_CLOSE_CODES,
    SercueScribeError,
    UnreachableError,
    error_for,
)

_CLOSE_SECONDS = 2
_CLOSED = {
    1000: ("session_completed", "the session was completed"),
    1009: ("chunk_too_large", "the service does not take chunks of this size"),
    4103: ("connection_replaced", "another connection resumed this session"),
}


class _Connect(connect):
    """Redirects are not followed: the service has none, and they would carry credentials."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


@contextlib.asynccontextmanager
async def open_socket(
    url: str, headers: dict[str, str], *, timeout_seconds: float
) -> AsyncIterator[ClientConnection]:
    """A connection, not greeted yet. Ending it does not complete the session."""
    attempt = _Connect(
        url,
        additional_headers=headers,
        open_timeout=timeout_seconds,
        close_timeout=_CLOSE_SECONDS,
        compression=None,
    )
    with _failures_told(url):
        socket = await attempt
    try:
        yield socket
    finally:
        await socket.close()


def closed_error(closed: ConnectionClosed, told: SercueScribeError | None) -> SercueScribeError:
    """Why a connection ended: what an error message ``told`` before, else what the code says."""
    code = closed.rcvd.code if closed.rcvd else None
    if told is None:
        told = _untold(code, closed)
    if code is not None:
        told.is_final = code in FINAL_CLOSE_CODES
    return told


def _untold(code: int | None, closed: ConnectionClosed) -> SercueScribeError:
    if code in _CLOSED:
        return error_for(*_CLOSED[code])
    if code == 1008:
        reason = closed.rcvd.reason if closed.rcvd else ""
        return SercueScribeError("refused", reason or "the service refused the connection")
    return UnreachableError("unreachable", f"the connection was lost: {closed}")


@contextlib.contextmanager
def _failures_told(url: str) -> Iterator[None]:
    try:
        yield
    except InvalidStatus as refused:
        answer = refused.response
        raise refusal(answer.status_code, answer.headers, bytes(answer.body or b"")) from refused
    except (OSError, TimeoutError, InvalidHandshake, InvalidMessage) as error:
        address = url.partition("?")[0]
        raise UnreachableError(
            "unreachable", f"{address}: {error or type(error).__name__}"
        ) from error
