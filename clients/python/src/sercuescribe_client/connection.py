"""One WebSocket to the service; every failure is a :class:`SercueScribeError`."""

import contextlib
from collections.abc import AsyncIterator, Iterator

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus

from sercuescribe_client.api_client import error_from_response
from sercuescribe_client.errors import (
    FINAL_CLOSE_CODES,
    SercueScribeError,
    UnreachableError,
    error_from_code,
    unreachable_error,
)

_CLOSE_TIMEOUT_SECONDS = 2
_ERROR_BY_CLOSE_CODE = {
    1000: ("session_completed", "the session was completed"),
    1009: ("chunk_too_large", "the chunk is larger than the service accepts; send smaller chunks"),
    4103: ("connection_replaced", "another connection resumed this session"),
}


class _ConnectWithoutRedirects(connect):
    """Do not follow redirects: the service sends none, and they would carry credentials."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


@contextlib.asynccontextmanager
async def open_socket(
    url: str, headers: dict[str, str], *, timeout_seconds: float
) -> AsyncIterator[ClientConnection]:
    """Yield a connection before its greeting. Closing it does not complete the session."""
    attempt = _ConnectWithoutRedirects(
        url,
        additional_headers=headers,
        open_timeout=timeout_seconds,
        close_timeout=_CLOSE_TIMEOUT_SECONDS,
        compression=None,
    )
    with _connect_errors(url):
        socket = await attempt
    try:
        yield socket
    finally:
        await socket.close()


def error_from_close(
    closed: ConnectionClosed, message_error: SercueScribeError | None
) -> SercueScribeError:
    """Return why a connection ended: the error message before the close, else the close code."""
    code = closed.rcvd.code if closed.rcvd else None
    error = message_error or _error_from_close_code(code, closed)
    if code is not None:
        error.is_final = code in FINAL_CLOSE_CODES
    return error


def _error_from_close_code(code: int | None, closed: ConnectionClosed) -> SercueScribeError:
    if code in _ERROR_BY_CLOSE_CODE:
        return error_from_code(*_ERROR_BY_CLOSE_CODE[code])
    if code == 1008:
        reason = closed.rcvd.reason if closed.rcvd else ""
        return SercueScribeError("refused", reason or "the service refused the connection")
    return UnreachableError("unreachable", f"the connection was lost: {closed}")


@contextlib.contextmanager
def _connect_errors(url: str) -> Iterator[None]:
    """Raise the failures of a handshake as a :class:`SercueScribeError`."""
    try:
        yield
    except InvalidStatus as refused:
        response = refused.response
        body = bytes(response.body or b"")
        raise error_from_response(response.status_code, response.headers, body) from refused
    except (OSError, TimeoutError, InvalidHandshake, InvalidMessage) as error:
        raise unreachable_error(url.partition("?")[0], error) from error
