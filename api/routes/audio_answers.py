"""Answers with audio: a whole recording, an extract of it, and other formats."""

import contextlib
from collections.abc import AsyncGenerator
from datetime import datetime
from email.utils import format_datetime
from typing import Any, NamedTuple, Protocol

from litestar import Response
from litestar.status_codes import (
    HTTP_200_OK,
    HTTP_206_PARTIAL_CONTENT,
    HTTP_304_NOT_MODIFIED,
)

from api.audio.ffmpeg.encoder import TARGETS, Converter
from api.routes.request import HttpRequest
from api.routes.streaming import Readers, StreamedResponse, key_of
from api.session.found import Found
from api.wire.byte_ranges import is_match, parse_range
from storage.base import Audio
from storage.file_name import content_disposition
from storage.manifest import Manifest
from storage.pcm import PcmFormat
from storage.wav import HEADER_BYTES, header

_LONGEST_SECONDS = 1e9


class StoredFile(Protocol):
    """A WAV of known size, parts of which can be read. See `storage.base.Audio`."""

    size_bytes: int
    modified_at: datetime

    @property
    def etag(self) -> str: ...

    def read(self, start: int, stop: int) -> AsyncGenerator[bytes, None]: ...


class Conditions(NamedTuple):
    """The headers of a request that decide which part of a file is sent."""

    range: str | None
    if_range: str | None
    if_none_match: str | None

    @classmethod
    def of(cls, request: HttpRequest) -> "Conditions":
        headers = request.headers
        return cls(headers.get("Range"), headers.get("If-Range"), headers.get("If-None-Match"))


class Extract:
    """The whole frames between two times of a recording, as a WAV. See `StoredFile`."""

    def __init__(
        self,
        audio: Audio,
        pcm_format: PcmFormat,
        start_seconds: float,
        end_seconds: float | None,
    ) -> None:
        """Choose the frames, as far as they are recorded. ``end_seconds`` None: up to the end."""

        def position(seconds: float) -> int:
            frames = round(min(seconds, _LONGEST_SECONDS) * pcm_format.sample_rate)
            return min(HEADER_BYTES + frames * pcm_format.frame_bytes, audio.size_bytes)

        self._audio = audio
        self._begin = position(start_seconds)
        end = audio.size_bytes if end_seconds is None else position(end_seconds)
        self.pcm_format = pcm_format
        self.pcm_bytes = max(0, end - self._begin)
        self._header = header(pcm_format, self.pcm_bytes)
        self.size_bytes = HEADER_BYTES + self.pcm_bytes
        self.modified_at = audio.modified_at

    @property
    def etag(self) -> str:
        """Return a strong validator, quoted."""
        whole = self._audio.etag.strip('"')
        return f'"{whole}-{self._begin}-{self.pcm_bytes}"'

    def pcm(self) -> AsyncGenerator[bytes, None]:
        """Yield the audio without a header."""
        return self._audio.read(self._begin, self._begin + self.pcm_bytes)

    async def read(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Yield bytes ``start`` to ``stop`` (exclusive) of the file."""
        if start < HEADER_BYTES:
            yield self._header[start:stop]
        first, last = max(start - HEADER_BYTES, 0), max(stop - HEADER_BYTES, 0)
        if first < last:
            blocks = self._audio.read(self._begin + first, self._begin + last)
            async with contextlib.aclosing(blocks):
                async for block in blocks:
                    yield block


async def extract(found: Found, start_seconds: float | None, end_seconds: float | None) -> Extract:
    """Return the part of a recording between two times. Raises `SessionNotFoundError`."""
    audio = await found.audio()
    return Extract(audio, found.manifest.pcm_format, start_seconds or 0.0, end_seconds)


def file_answer(
    request: HttpRequest,
    readers: Readers,
    file: StoredFile,
    manifest: Manifest,
    conditions: Conditions,
) -> Response[Any]:
    """Return the answer with a file or the part of it that the client asks for."""
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": file.etag,
        "Last-Modified": format_datetime(file.modified_at, usegmt=True),
        "Content-Disposition": content_disposition(manifest, "wav", "inline"),
    }
    if is_match(conditions.if_none_match, file.etag):
        return Response(b"", status_code=HTTP_304_NOT_MODIFIED, headers=headers)
    wanted = None
    if conditions.if_range in {None, file.etag}:
        wanted = parse_range(conditions.range, file.size_bytes)
    status_code, start, stop = HTTP_200_OK, 0, file.size_bytes
    if wanted is not None:
        status_code, (start, stop) = HTTP_206_PARTIAL_CONTENT, wanted
        headers["Content-Range"] = wanted.content_range(file.size_bytes)
    headers["Content-Length"] = str(stop - start)
    return StreamedResponse(
        request,
        readers,
        file.read(start, stop),
        status_code=status_code,
        media_type="audio/wav",
        headers=headers,
    )


def converted_answer(
    request: HttpRequest,
    readers: Readers,
    part: Extract,
    name: str,
    manifest: Manifest,
    converter: Converter,
) -> Response[Any]:
    """Return the answer with an extract in the format ``name``, without ranges."""
    if name == "wav":
        media_type, suffix = "audio/wav", "wav"
        content = part.read(0, part.size_bytes)
        size_bytes: int | None = part.size_bytes
    else:
        target, pcm_format = TARGETS[name], part.pcm_format
        encoding = target.encoding(pcm_format, pcm_format.frames(part.pcm_bytes))
        media_type, suffix, size_bytes = target.media_type, target.suffix, encoding.size_bytes
        caller = key_of(request.user)
        content = converter.convert(part.pcm(), pcm_format, encoding, caller=caller)
    headers = {"Content-Disposition": content_disposition(manifest, suffix, "inline")}
    if size_bytes is not None:
        headers["Content-Length"] = str(size_bytes)
    return StreamedResponse(request, readers, content, media_type=media_type, headers=headers)
