"""Hear a session: its PCM from the storage of the service, also while it is recorded."""

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from sercuescribe_client.api_client import ApiClient
from sercuescribe_client.backoff import Retries
from sercuescribe_client.connection import error_from_close, open_socket
from sercuescribe_client.errors import (
    CredentialsExpiredError,
    SercueScribeError,
    UnreachableError,
    error_from_json,
)

_POSITION = struct.Struct("<Q")
_SAMPLE_BYTES = 2
_CONNECT_TIMEOUT_SECONDS = 10

Position = Literal["start", "now"] | int
"""Where to begin: at the start, with new audio, or with a frame."""


@dataclass(frozen=True, slots=True)
class AudioBlock:
    """PCM of a session: 16-bit little endian, interleaved. ``frame`` is the number of its first."""

    frame: int
    pcm: bytes
    sample_rate: int
    channels: int


async def listen(
    api: ApiClient, session_id: str, begin: Position, *, retry_timeout_seconds: float
) -> AsyncGenerator[AudioBlock, None]:
    """Yield the audio without a gap until the session is completed; reconnect in between."""
    retries = Retries(retry_timeout_seconds)
    position = begin
    while True:
        credential_headers = api.credentials.headers
        try:
            blocks = _listen_once(api, session_id, position, credential_headers)
            async with contextlib.aclosing(blocks):
                async for block in blocks:
                    retries.succeeded()
                    yield block
                    position = block.frame + len(block.pcm) // (_SAMPLE_BYTES * block.channels)
            return
        except SercueScribeError as error:
            is_renewed = isinstance(error, CredentialsExpiredError) and (
                await api.credentials.renew(credential_headers)
            )
            if error.is_final and not is_renewed:
                raise
            delay_seconds = retries.next_seconds(error.retry_after_seconds)
            if delay_seconds is None:
                raise
        await asyncio.sleep(delay_seconds)


async def _listen_once(
    api: ApiClient, session_id: str, position: Position, headers: dict[str, str]
) -> AsyncGenerator[AudioBlock, None]:
    url = f"{api.ws_url}/{session_id}/listen?{urlencode({'from': position})}"
    server_error: SercueScribeError | None = None
    async with open_socket(url, headers, timeout_seconds=_CONNECT_TIMEOUT_SECONDS) as socket:
        try:
            greeting = await _receive_greeting(socket)
            async for message in socket:
                if isinstance(message, bytes):
                    (frame,) = _POSITION.unpack_from(message)
                    pcm = message[_POSITION.size :]
                    yield AudioBlock(frame, pcm, greeting["sample_rate"], greeting["channels"])
                    continue
                fields = json.loads(message)
                if fields["type"] == "error":
                    server_error = error_from_json(fields)
                elif fields["status"] == "completed":
                    return
            raise server_error or UnreachableError("unreachable", "the connection was closed")
        except ConnectionClosed as closed:
            raise error_from_close(closed, server_error) from closed


async def _receive_greeting(socket: ClientConnection) -> dict[str, Any]:
    """Return the first message; raise the error that comes in its place."""
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT_SECONDS):
            message = dict(json.loads(await socket.recv()))
            if message["type"] == "error":
                error = error_from_json(message)
                try:
                    await socket.recv()
                except ConnectionClosed as closed:
                    raise error_from_close(closed, error) from closed
                raise error
            return message
    except TimeoutError:
        raise UnreachableError("unreachable", "the service sent no first message") from None
