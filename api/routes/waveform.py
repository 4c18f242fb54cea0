"""The HTTP endpoint of waveforms: as data for audiowaveform tools, and as pictures."""

import math
from collections.abc import AsyncGenerator, Callable
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_304_NOT_MODIFIED

from api.access.audit import audit
from api.access.authorization import requires
from api.cluster.http_relay import session_to_read
from api.routes.request import HttpRequest, Injected
from api.routes.streaming import Readers, StreamedResponse
from api.wire.byte_ranges import is_match
from api.wire.errors import (
    InvalidParameterError,
    TooManyReadersError,
)
from api.wire.messages import Waveform
from api.wire.openapi import SESSION_ERRORS, errors
from api.wire.waveform_picture import COLOR, Color, ImageStyle, png, svg
from storage import threads
from storage.file_name import content_disposition
from storage.waveform import peaks as stored
from storage.waveform.peaks import Peaks

Format = Literal["json", "dat", "svg", "png"]

_DEFAULT_PICTURE_WIDTH = 1000
_BLOCK_BYTES = 64 * 1024
_MAX_SECONDS = 1e9
_MEDIA_TYPES: dict[Format, str] = {
    "json": "application/json",
    "dat": "application/octet-stream",
    "svg": "image/svg+xml",
    "png": "image/png",
}
_PICTURES: dict[Format, Callable[[Peaks, ImageStyle], bytes]] = {"svg": svg, "png": png}

FormatOf = Annotated[
    Format, QueryParameter(name="format", description="Data (json, dat) or picture")
]
Width = Annotated[
    int | None,
    QueryParameter(
        name="width", ge=1, le=20_000, description="Pixels: a maximum for data, exact for a picture"
    ),
]
Height = Annotated[
    int, QueryParameter(name="height", ge=16, le=1000, description="Height of a picture in pixels")
]
Start = Annotated[
    float, QueryParameter(name="start", ge=0, le=_MAX_SECONDS, description="Start in seconds")
]
End = Annotated[
    float | None,
    QueryParameter(
        name="end",
        ge=0,
        le=_MAX_SECONDS,
        description="End in seconds",
        schema_extra={"minimum": 0},  # Litestar's generator omits a minimum of zero
    ),
]
InColor = Annotated[
    str, QueryParameter(name="color", pattern=COLOR, description="RRGGBB or RRGGBBAA")
]
OnColor = Annotated[
    str, QueryParameter(name="background", pattern=COLOR, description="RRGGBB or RRGGBBAA")
]


@get(
    "/api/audio/sessions/{session_id:str}/waveform",
    tags=["sessions"],
    guards=[requires("read")],
    responses={
        HTTP_200_OK: ResponseSpec(
            data_container=Waveform,
            generate_examples=False,
            description="The waveform in the requested format",
        ),
        **errors(InvalidParameterError("width"), TooManyReadersError(32), *SESSION_ERRORS),
    },
    operation_id="getWaveform",
    summary="Get the waveform, also of an active session, as data of audiowaveform or a picture",
    description="Honours If-None-Match.",
)
async def waveform(
    request: HttpRequest,
    session_id: FromPath[str],
    format: FormatOf = "json",  # noqa: A002 - a parameter of the request
    width: Width = None,
    height: Height = 200,
    start: Start = 0.0,
    end: End = None,
    color: InColor = "1f77b4",
    background: OnColor = "ffffff",
    *,
    readers: Injected[Readers],
) -> Response[Any]:
    if math.isnan(start):
        raise InvalidParameterError("start")
    if end is not None:
        if math.isnan(end):
            raise InvalidParameterError("end")
        end = max(start, end)
    style = ImageStyle(
        width or _DEFAULT_PICTURE_WIDTH, height, Color.parse(color), Color.parse(background)
    )
    found = await session_to_read(request)
    audio = await found.audio()
    audit("read", request.user, session_id, reason="waveform")
    headers = {
        "ETag": audio.etag,
        "Content-Disposition": content_disposition(found.manifest, format, "inline"),
    }
    if is_match(request.headers.get("If-None-Match"), audio.etag):
        return Response(b"", status_code=HTTP_304_NOT_MODIFIED, headers=headers)
    wanted = (await audio.peaks()).part(start, end)
    media_type = _MEDIA_TYPES[format]
    if format in _PICTURES:
        picture = await threads.reading.run(_PICTURES[format], wanted, style)
        return Response(picture, media_type=media_type, headers=headers)
    if width is not None:
        wanted = await threads.reading.run(wanted.fitted, width)
    body = _json(wanted) if format == "json" else _dat(wanted)
    return StreamedResponse(request, readers, body, media_type=media_type, headers=headers)


async def _dat(peaks: Peaks) -> AsyncGenerator[bytes, None]:
    yield peaks.header()
    for at in range(0, len(peaks.pixels), _BLOCK_BYTES):
        yield await threads.reading.run(_block, peaks, at)


async def _json(peaks: Peaks) -> AsyncGenerator[bytes, None]:
    """Yield the JSON in blocks: the waveform of a day has millions of numbers."""
    described = Waveform(
        version=stored.VERSION,
        channels=peaks.pcm_format.channels,
        sample_rate=peaks.pcm_format.sample_rate,
        samples_per_pixel=peaks.samples_per_pixel,
        bits=stored.BITS,
        length=peaks.length,
        data=[],
    )
    yield msgspec.json.encode(described).removesuffix(b"]}")
    for at in range(0, len(peaks.pixels), _BLOCK_BYTES):
        comma = b"," if at else b""
        yield comma + await threads.reading.run(_numbers, peaks, at)
    yield b"]}"


def _block(peaks: Peaks, start: int) -> bytes:
    return peaks.pixels[start : start + _BLOCK_BYTES]


def _numbers(peaks: Peaks, start: int) -> bytes:
    return msgspec.json.encode(memoryview(_block(peaks, start)).cast("h").tolist())[1:-1]
