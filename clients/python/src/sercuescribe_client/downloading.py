"""The audio of a session into a file, in as many goes as it takes."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx

from sercuescribe_client.backoff import Backoff
from sercuescribe_client.door import Door
from sercuescribe_client.errors import RangeNotSatisfiableError, SercueScribeError
from sercuescribe_client.partial_file import PartialFile

OnBytes = Callable[[int, int | None], None]
"""Called with the bytes there are, and how many there will be where that is known."""


async def download(
    door: Door, session_id: str, path: Path, *, patience_seconds: float, on_bytes: OnBytes
) -> None:
    """Go on where the last attempt ended, also one of another process, if the file is the same."""
    clock = asyncio.get_running_loop().time
    backoff, failing_since = Backoff(), None
    with PartialFile(path) as file:
        while True:
            size = file.size
            try:
                await _attempt(door, session_id, file, on_bytes)
                break
            except SercueScribeError as error:
                if file.size > size:
                    backoff, failing_since = Backoff(), None
                if error.is_final:
                    raise
                failing_since = failing_since or clock()
                pause = max(backoff.next_seconds(), error.retry_after_seconds)
                if clock() + pause - failing_since > patience_seconds:
                    raise
            await asyncio.sleep(pause)
        file.finish()


async def _attempt(door: Door, session_id: str, file: PartialFile, on_bytes: OnBytes) -> None:
    headers = {}
    if etag := file.etag:
        headers = {"Range": f"bytes={file.size}-", "If-Range": etag}
    path = f"/api/audio/sessions/{session_id}/audio"
    try:
        async with door.open("GET", path, headers=headers) as answer:
            await _take(answer, file, on_bytes)
    except RangeNotSatisfiableError as error:  # there was no more to come, or another file
        file.begin(None)
        error.is_final = False
        raise


async def _take(answer: httpx.Response, file: PartialFile, on_bytes: OnBytes) -> None:
    if answer.status_code != httpx.codes.PARTIAL_CONTENT:
        file.begin(answer.headers.get("etag"))
    length = answer.headers.get("content-length")
    total = file.size + int(length) if length else None
    on_bytes(file.size, total)
    async for data in answer.aiter_bytes(64 * 1024):
        file.append(data)
        on_bytes(file.size, total)
