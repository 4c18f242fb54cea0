"""The HTTP endpoints of sessions: create, list, look at, close, hear, delete."""

from email.utils import format_datetime
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, delete, get, post, route
from litestar.params import BodyKwarg, FromPath, Parameter
from litestar.response import Stream
from litestar.status_codes import (
    HTTP_200_OK,
    HTTP_206_PARTIAL_CONTENT,
    HTTP_304_NOT_MODIFIED,
    HTTP_307_TEMPORARY_REDIRECT,
)

from api.dependencies import Injected
from api.errors import (
    InvalidParameterError,
    InvalidSignatureError,
    RangeNotSatisfiableError,
    SessionNotFoundError,
    TooManySessionsError,
    UrlExpiredError,
)
from api.links import LinkSigner
from api.messages import (
    CreatedSession,
    CreateSession,
    DownloadLink,
    SessionInfo,
    SessionPage,
    SessionResult,
)
from api.openapi import AUDIO_RESPONSES, EXAMPLE_ID, errors
from api.ranges import is_match, parse_range
from api.session.clock import Clock
from api.session.parameters import audio_parameters, user_id
from api.session.registry import Registry
from api.settings import CHANNELS, SAMPLE_RATES, Settings
from storage.base import StorageUnavailableError
from storage.manifest import Status

HttpRequest = Request[Any, Any, Any]
NewSession = Annotated[
    CreateSession | None, BodyKwarg(description="All parameters are optional, and so is the body")
]
UserId = Annotated[str | None, Parameter(query="user_id", description="Only this user's sessions")]
StatusFilter = Annotated[
    Status | None, Parameter(query="status", description="Only sessions in this state")
]
Limit = Annotated[int, Parameter(query="limit", ge=1, le=1000, description="Sessions per page")]
Cursor = Annotated[
    str | None,
    Parameter(
        query="cursor",
        description="next_cursor of the page before",
        schema_extra={"format": "uuid"},
    ),
]
Expires = Annotated[
    int | None, Parameter(query="expires", description="Of a signed link: Unix time of its end")
]
Signature = Annotated[
    str | None, Parameter(query="signature", description="Of a signed link: its signature")
]

RedirectFlag = Annotated[
    bool,
    Parameter(query="redirect", description="false: never answer with the store's own link"),
]
RangeHeader = Annotated[
    str | None, Parameter(header="Range", description="One range of bytes, such as bytes=0-99")
]
IfRange = Annotated[str | None, Parameter(header="If-Range", description="ETag of what is there")]
IfNoneMatch = Annotated[str | None, Parameter(header="If-None-Match", description="ETags known")]

_NOT_FOUND = SessionNotFoundError(EXAMPLE_ID)
_UNAVAILABLE = StorageUnavailableError()


class SessionsController(Controller):
    """Everything under ``/api/audio/sessions``."""

    path = "/api/audio/sessions"
    tags = ["sessions"]  # noqa: RUF012 - the framework's own attribute

    @post(
        responses=errors(
            InvalidParameterError("sample_rate", SAMPLE_RATES),
            InvalidParameterError("channels", CHANNELS),
            TooManySessionsError(100),
            _UNAVAILABLE,
        ),
        summary="Create a session to stream to later",
    )
    async def create(
        self,
        request: HttpRequest,
        registry: Injected[Registry],
        settings: Injected[Settings],
        data: NewSession = None,
    ) -> CreatedSession:
        given = msgspec.to_builtins(data) if data else {}
        session = await registry.create(audio_parameters(given, settings), user_id(given))
        info = session.info()
        base = _base_url(request, settings).replace("http", "ws", 1)
        return CreatedSession(
            session_id=info.session_id,
            ws_url=f"{base}/api/ws/audio/{info.session_id}",
            session=info,
        )

    @get(
        responses=errors(InvalidParameterError("limit"), _UNAVAILABLE),
        summary="List sessions, newest first",
    )
    async def list(
        self,
        registry: Injected[Registry],
        user_id: UserId = None,
        status: StatusFilter = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> SessionPage:
        return await registry.page(status=status, user_id=user_id, limit=limit, cursor=cursor)

    @get(
        "/{session_id:str}", responses=errors(_NOT_FOUND, _UNAVAILABLE), summary="Look at a session"
    )
    async def info(self, session_id: FromPath[str], registry: Injected[Registry]) -> SessionInfo:
        return await registry.info(session_id)

    @post(
        "/{session_id:str}/close",
        status_code=HTTP_200_OK,
        responses=errors(_NOT_FOUND, _UNAVAILABLE),
        summary="Complete a session",
        description="Whoever is connected gets the final message. Closing again changes nothing.",
    )
    async def close(self, session_id: FromPath[str], registry: Injected[Registry]) -> SessionResult:
        info = await registry.close(session_id)
        return SessionResult(
            success=True, message="Session closed", session_id=info.session_id, session=info
        )

    @delete(
        "/{session_id:str}",
        status_code=HTTP_200_OK,
        responses=errors(_NOT_FOUND, _UNAVAILABLE),
        summary="Delete a session and every trace of it",
    )
    async def remove(
        self, session_id: FromPath[str], registry: Injected[Registry]
    ) -> SessionResult:
        await registry.delete(session_id)
        return SessionResult(success=True, message="Session deleted", session_id=session_id)

    @get(
        "/{session_id:str}/download",
        responses=errors(_NOT_FOUND, _UNAVAILABLE),
        summary="A link to the audio that works without further permission",
    )
    async def download(
        self,
        request: HttpRequest,
        session_id: FromPath[str],
        registry: Injected[Registry],
        signer: Injected[LinkSigner],
        settings: Injected[Settings],
        clock: Injected[Clock],
    ) -> DownloadLink:
        info = await registry.info(session_id)
        if link := await registry.link(session_id, settings.download_url_ttl_seconds):
            return DownloadLink(url=link.url, expires_at=link.expires_at)
        path = f"{self.path}/{info.session_id}/audio"
        return signer.link(_base_url(request, settings), path, clock.now())

    @route(
        "/{session_id:str}/audio",
        http_method=["GET", "HEAD"],
        media_type="audio/wav",
        responses={
            **AUDIO_RESPONSES,
            **errors(
                _NOT_FOUND,
                UrlExpiredError(),
                InvalidSignatureError(),
                InvalidParameterError("expires"),
                RangeNotSatisfiableError(80),
                _UNAVAILABLE,
            ),
        },
        summary="The WAV; while it is still being recorded, what there is so far",
        description="Honours Range, If-Range and If-None-Match.",
    )
    async def audio(
        self,
        request: HttpRequest,
        session_id: FromPath[str],
        registry: Injected[Registry],
        signer: Injected[LinkSigner],
        clock: Injected[Clock],
        settings: Injected[Settings],
        expires: Expires = None,
        signature: Signature = None,
        range_header: RangeHeader = None,
        if_range: IfRange = None,
        if_none_match: IfNoneMatch = None,
        redirect: RedirectFlag = True,  # noqa: FBT002 - a parameter of the request
    ) -> Response[Any]:
        if signature is not None or expires is not None:
            signer.check(request.url.path, str(expires), signature or "", clock.now())
        if redirect and request.method == "GET":
            link = await registry.link(session_id, settings.download_url_ttl_seconds)
            if link is not None:
                return Response(
                    b"",
                    status_code=HTTP_307_TEMPORARY_REDIRECT,
                    headers={"Location": link.url},
                )
        audio = await registry.audio(session_id)
        headers = {
            "Accept-Ranges": "bytes",
            "ETag": audio.etag,
            "Last-Modified": format_datetime(audio.modified_at, usegmt=True),
            "Content-Disposition": f'inline; filename="{session_id}.wav"',
        }
        if is_match(if_none_match, audio.etag):
            return Response(b"", status_code=HTTP_304_NOT_MODIFIED, headers=headers)
        wanted = None
        if if_range in {None, audio.etag}:
            wanted = parse_range(range_header, audio.size_bytes)
        status_code, start, stop = HTTP_200_OK, 0, audio.size_bytes
        if wanted is not None:
            status_code, (start, stop) = HTTP_206_PARTIAL_CONTENT, wanted
            headers["Content-Range"] = wanted.content_range(audio.size_bytes)
        headers["Content-Length"] = str(stop - start)
        return Stream(
            audio.read(start, stop),
            status_code=status_code,
            media_type="audio/wav",
            headers=headers,
        )


def _base_url(request: HttpRequest, settings: Settings) -> str:
    return (settings.public_url or str(request.base_url)).rstrip("/")
