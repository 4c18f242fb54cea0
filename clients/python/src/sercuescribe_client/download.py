"""Download the audio of a session into a file; resume after a lost connection."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx

from sercuescribe_client.api_client import ApiClient
from sercuescribe_client.backoff import Backoff
from sercuescribe_client.errors import RangeNotSatisfiableError, SercueScribeError
from sercuescribe_client.partial_file import PartialFile

ProgressCallback = Callable[[int, int | None], None]
"""Called with the downloaded bytes and the total bytes, None if the total is unknown."""


async def download(
    api: ApiClient,
    session_id: str,
    path: Path,
    *,
    retry_timeout_seconds: float,
    on_progress: ProgressCallback,
) -> None:
    """Download to ``path``. Resume an earlier attempt of any process if the ETag matches.

    ``retry_timeout_seconds`` counts from the last attempt that received data.
    """
    clock = asyncio.get_running_loop().time
    backoff, failing_since = Backoff(), None
    with PartialFile(path) as file:
        while True:
            size_bytes = file.size_bytes
            try:
                await _download_once(api, session_id, file, on_progress)
                break
            except SercueScribeError as error:
                if file.size_bytes > size_bytes:
                    backoff, failing_since = Backoff(), None
                if error.is_final:
                    raise
                failing_since = failing_since or clock()
                delay_seconds = max(backoff.next_seconds(), error.retry_after_seconds)
                if clock() + delay_seconds - failing_since > retry_timeout_seconds:
                    raise
            await asyncio.sleep(delay_seconds)
        file.finish()


async def _download_once(
    api: ApiClient, session_id: str, file: PartialFile, on_progress: ProgressCallback
) -> None:
    headers = {}
    if etag := file.etag:
        headers = {"Range": f"bytes={file.size_bytes}-", "If-Range": etag}
    path = f"/api/audio/sessions/{session_id}/audio"
    try:
        async with api.stream_response("GET", path, headers=headers) as response:
            await _append_body(response, file, on_progress)
    except RangeNotSatisfiableError as error:  # complete, or of another file
        file.restart(None)
        error.is_final = False
        raise


async def _append_body(
    response: httpx.Response, file: PartialFile, on_progress: ProgressCallback
) -> None:
    if response.status_code != httpx.codes.PARTIAL_CONTENT:
        file.restart(response.headers.get("etag"))
    length = response.headers.get("content-length")
    total_bytes = file.size_bytes + int(length) if length else None
    on_progress(file.size_bytes, total_bytes)
    async for data in response.aiter_bytes(64 * 1024):
        file.append(data)
        on_progress(file.size_bytes, total_bytes)
