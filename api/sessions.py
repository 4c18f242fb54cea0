"""The HTTP endpoints of sessions: create, list, look at, close, hear, delete."""

from email.utils import format_datetime
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, delete, get, post, route
from litestar.params import BodyKwarg, FromPath, HeaderParameter, QueryParameter
from litestar.response import Stream
from litestar.status_codes import (
    HTTP_200_OK,
    HTTP_206_PARTIAL_CONTENT,
    HTTP_304_NOT_MODIFIED,
    HTTP_307_TEMPORARY_REDIRECT,
)

from api.access.admission import acting_for, admit, requires
from api.access.audit import audit
from api.access.identity import Caller, Identity
from api.access.session_tokens import SessionTokens
from api.dependencies import Injected
from api.errors import (
    AuthenticationRequiredError,
    AuthenticationUnavailableError,
    CredentialsExpiredError,
    InvalidCredentialsError,
    InvalidParameterError,
    InvalidSignatureError,
    NotAllowedError,
    RangeNotSatisfiableError,
    RateLimitedError,
    SessionNotFoundError,
    TooManySessionsError,
    UrlExpiredError,
)
from api.links import LinkSigner
from api.messages import (
    CreatedSession,
    CreateSession,
    CreateToken,
    DownloadLink,
    SessionInfo,
    SessionPage,
    SessionResult,
    SessionTokenInfo,
)
from api.openapi import AUDIO_RESPONSES, EXAMPLE_ID, errors
from api.ranges import is_match, parse_range
from api.session.clock import Clock
from api.session.parameters import audio_parameters, user_id
from api.session.registry import Registry
from api.settings import CHANNELS, SAMPLE_RATES, Settings
from storage.base import StorageUnavailableError
from storage.manifest import Status

HttpRequest = Request[Caller, Any, Any]
NewToken = Annotated[
    CreateToken | None, BodyKwarg(description="What the token is for; without a body, to record")
]
NewSession = Annotated[
    CreateSession | None, BodyKwarg(description="All parameters are optional, and so is the body")
]
UserId = Annotated[
    str | None, QueryParameter(name="user_id", description="Only this user's sessions")
]
StatusFilter = Annotated[
    Status | None, QueryParameter(name="status", description="Only sessions in this state")
]
Limit = Annotated[int, QueryParameter(name="limit", ge=1, le=1000, description="Sessions per page")]
Cursor = Annotated[
    str | None,
    QueryParameter(
        name="cursor",
        description="next_cursor of the page before",
        schema_extra={"format": "uuid"},
    ),
]
Expires = Annotated[
    int | None, QueryParameter(name="expires", description="Of a signed link: Unix time of its end")
]
Signature = Annotated[
    str | None, QueryParameter(name="signature", description="Of a signed link: its signature")
]

RedirectFlag = Annotated[
    bool,
    QueryParameter(name="redirect", description="false: never answer with the store's own link"),
]
RangeHeader = Annotated[
    str | None, HeaderParameter(name="Range", description="One range of bytes, such as bytes=0-99")
]
IfRange = Annotated[
    str | None, HeaderParameter(name="If-Range", description="ETag of what is there")
]
IfNoneMatch = Annotated[
    str | None, HeaderParameter(name="If-None-Match", description="ETags known")
]

_NOT_FOUND = SessionNotFoundError(EXAMPLE_ID)
_EVERYWHERE = (
    AuthenticationRequiredError(),
    InvalidCredentialsError(),
    CredentialsExpiredError(),
    NotAllowedError("this takes the scope read"),
    AuthenticationUnavailableError(),
    StorageUnavailableError(),
)


class SessionsController(Controller):
    """Everything under ``/api/audio/sessions``."""

    path = "/api/audio/sessions"
    tags = ["sessions"]  # noqa: RUF012 - the framework's own attribute

    @post(
        guards=[requires("record")],
        responses=errors(
            InvalidParameterError("sample_rate", SAMPLE_RATES),
            InvalidParameterError("channels", CHANNELS),
            TooManySessionsError(100),
            RateLimitedError(),
            *_EVERYWHERE,
        ),
        summary="Create a session to stream to later",
    )
    async def create(
        self,
        request: HttpRequest,
        registry: Injected[Registry],
        settings: Injected[Settings],
        tokens: Injected[SessionTokens],
        clock: Injected[Clock],
        data: NewSession = None,
    ) -> CreatedSession:
        given = msgspec.to_builtins(data) if data else {}
        user = acting_for(_identity(request), user_id(given))
        session = await registry.create(audio_parameters(given, settings), user)
        info = session.info()
        audit("created", request.user, info.session_id)
        ws_url = _ws_url(request, settings, info.session_id)
        if not settings.is_locked:
            return CreatedSession(session_id=info.session_id, ws_url=ws_url, session=info)
        token = tokens.make(info.session_id, user, "record", clock.now())
        return CreatedSession(
            session_id=info.session_id,
            ws_url=f"{ws_url}?token={token.token}",
            token=token.token,
            token_expires_at=token.expires_at,
            session=info,
        )

    @post(
        "/{session_id:str}/tokens",
        guards=[requires("record", "read")],
        responses=errors(_NOT_FOUND, InvalidParameterError("body"), *_EVERYWHERE),
        summary="A token for one session, for a browser that must not hold a key",
        description="It is checked when a connection is made, and each time it is made again.",
    )
    async def token(
        self,
        request: HttpRequest,
        session_id: FromPath[str],
        registry: Injected[Registry],
        settings: Injected[Settings],
        tokens: Injected[SessionTokens],
        clock: Injected[Clock],
        data: NewToken = None,
    ) -> SessionTokenInfo:
        identity, scope = _identity(request), (data or CreateToken()).scope
        if identity.session_id is not None or not identity.may(scope):
            raise NotAllowedError(f"a token to {scope} is made with a key that may")
        user = await registry.owner(session_id)
        token = tokens.make(session_id.lower(), user, scope, clock.now())
        audit("token", request.user, session_id, reason=scope)
        return SessionTokenInfo(
            token=token.token,
            scope=scope,
            expires_at=token.expires_at,
            ws_url=f"{_ws_url(request, settings, session_id)}?token={token.token}",
        )

    @get(
        guards=[requires("read")],
        responses=errors(InvalidParameterError("limit"), *_EVERYWHERE),
        summary="List sessions, newest first",
    )
    async def list(
        self,
        request: HttpRequest,
        registry: Injected[Registry],
        user_id: UserId = None,
        status: StatusFilter = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> SessionPage:
        identity = _identity(request)
        user = user_id if identity.is_admin else acting_for(identity, user_id)
        return await registry.page(status=status, user_id=user, limit=limit, cursor=cursor)

    @get(
        "/{session_id:str}",
        guards=[requires("record", "read")],
        responses=errors(_NOT_FOUND, *_EVERYWHERE),
        summary="Look at a session",
    )
    async def info(self, session_id: FromPath[str], registry: Injected[Registry]) -> SessionInfo:
        return await registry.info(session_id)

    @post(
        "/{session_id:str}/close",
        status_code=HTTP_200_OK,
        guards=[requires("record")],
        responses=errors(_NOT_FOUND, *_EVERYWHERE),
        summary="Complete a session",
        description="Whoever is connected gets the final message. Closing again changes nothing.",
    )
    async def close(
        self, request: HttpRequest, session_id: FromPath[str], registry: Injected[Registry]
    ) -> SessionResult:
        info = await registry.close(session_id)
        audit("closed", request.user, info.session_id)
        return SessionResult(
            success=True, message="Session closed", session_id=info.session_id, session=info
        )

    @delete(
        "/{session_id:str}",
        status_code=HTTP_200_OK,
        guards=[requires("record")],
        responses=errors(_NOT_FOUND, *_EVERYWHERE),
        summary="Delete a session and every trace of it",
    )
    async def remove(
        self, request: HttpRequest, session_id: FromPath[str], registry: Injected[Registry]
    ) -> SessionResult:
        if _identity(request).session_id is not None:
            raise NotAllowedError("a session's token does not delete it")
        await registry.delete(session_id)
        audit("deleted", request.user, session_id)
        return SessionResult(success=True, message="Session deleted", session_id=session_id)

    @get(
        "/{session_id:str}/download",
        guards=[requires("read")],
        responses=errors(_NOT_FOUND, *_EVERYWHERE),
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
        audit("read", request.user, info.session_id, reason="link")
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
                *_EVERYWHERE,
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
        else:
            await admit(request, "read")
        audit("read", request.user, session_id)
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


def _identity(request: HttpRequest) -> Identity:
    """Whom the guard let in."""
    assert request.user.identity is not None
    return request.user.identity


def _ws_url(request: HttpRequest, settings: Settings, session_id: str) -> str:
    base = _base_url(request, settings).replace("http", "ws", 1)
    return f"{base}/api/ws/audio/{session_id}"


def _base_url(request: HttpRequest, settings: Settings) -> str:
    return (settings.public_url or str(request.base_url)).rstrip("/")
