"""Download the audio of a session; resume after a lost connection."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Literal, Protocol

import httpx

from sercuescribe_client.api_client import ApiClient
from sercuescribe_client.backoff import Retries
from sercuescribe_client.errors import RangeNotSatisfiableError, SercueScribeError

AudioFormat = Literal["wav", "mp3", "flac", "opus"]

ProgressCallback = Callable[[int, int | None], None]
"""Called with the downloaded bytes and the total bytes, None if the total is unknown."""


class Target(Protocol):
    """What takes the bytes of a download: those of one file, whose strong ETag is ``etag``."""

    @property
    def size_bytes(self) -> int: ...

    @property
    def etag(self) -> str | None: ...

    def restart(self, etag: str | None) -> None:
        """Drop the bytes so far: the next ones are the first of a file with this ETag."""

    def append(self, data: bytes) -> None: ...


class PassedOn:
    """The bytes of a download that were passed on, and cannot be taken back."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self.etag: str | None = None

    def restart(self, etag: str | None) -> None:
        if self.size_bytes:
            raise SercueScribeError(
                "download_interrupted",
                f"the download ended after {self.size_bytes} bytes and cannot be resumed: download"
                " into a file",
            )
        is_weak = etag is not None and etag.startswith("W/")
        self.etag = None if is_weak else etag

    def append(self, data: bytes) -> None:
        self.size_bytes += len(data)


async def download(
    api: ApiClient,
    session_id: str,
    target: Target,
    query: Mapping[str, str],
    *,
    retry_timeout_seconds: float,
    on_progress: ProgressCallback,
) -> AsyncGenerator[bytes, None]:
    """Append the audio to ``target``, after what it has if the ETag matches; yield each piece.

    ``retry_timeout_seconds`` counts from the last attempt that received data.
    """
    retries = Retries(retry_timeout_seconds)
    while True:
        size_bytes = target.size_bytes
        try:
            pieces = _download_once(api, session_id, target, query, on_progress)
            async with contextlib.aclosing(pieces):
                async for data in pieces:
                    yield data
            return
        except SercueScribeError as error:
            if target.size_bytes > size_bytes:
                retries.succeeded()
            if error.is_final:
                raise
            delay_seconds = retries.next_seconds(error.retry_after_seconds)
            if delay_seconds is None:
                raise
        await asyncio.sleep(delay_seconds)


async def _download_once(
    api: ApiClient,
    session_id: str,
    target: Target,
    query: Mapping[str, str],
    on_progress: ProgressCallback,
) -> AsyncGenerator[bytes, None]:
    headers = {}
    if etag := target.etag:
        headers = {"Range": f"bytes={target.size_bytes}-", "If-Range": etag}
    path = f"/api/audio/sessions/{session_id}/audio"
    try:
        async with api.stream_response("GET", path, headers=headers, params=query) as response:
            if response.status_code != httpx.codes.PARTIAL_CONTENT:
                target.restart(response.headers.get("etag"))
            length = response.headers.get("content-length")
            total_bytes = target.size_bytes + int(length) if length else None
            on_progress(target.size_bytes, total_bytes)
            async for data in response.aiter_bytes(64 * 1024):
                target.append(data)
                on_progress(target.size_bytes, total_bytes)
                yield data
    except RangeNotSatisfiableError as error:  # complete, or of another file
        target.restart(None)
        error.is_final = False
        raise
