"""The HTTP endpoints of the audio: the WAV, parts of it, other formats, download links."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from litestar import Controller, Response, get
from litestar.params import FromPath, HeaderParameter, QueryParameter
from litestar.status_codes import HTTP_307_TEMPORARY_REDIRECT

from api.access.audit import audit
from api.access.authorization import admit, find_session, requires
from api.access.signed_links import LinkSigner, lifetime_seconds
from api.audio.ffmpeg.encoder import Converter
from api.clock import Clock
from api.cluster.http_relay import session_to_read
from api.routes.audio_answers import Conditions, converted_answer, extract, file_answer
from api.routes.request import HttpRequest, Injected, base_url, identity_of
from api.routes.streaming import Readers
from api.settings import Settings
from api.wire.errors import (
    InvalidParameterError,
    InvalidSignatureError,
    RangeNotSatisfiableError,
    TooManyReadersError,
    UrlExpiredError,
)
from api.wire.messages import DownloadLink
from api.wire.openapi import AUDIO_RESPONSES, SESSION_ERRORS, errors
from api.wire.routing import sent_method

Expires = Annotated[
    int | None, QueryParameter(name="expires", description="Expiry of a signed link, Unix seconds")
]
Signature = Annotated[
    str | None, QueryParameter(name="signature", description="Signature of a signed link")
]

RedirectFlag = Annotated[
    bool,
    QueryParameter(name="redirect", description="false: do not redirect to the bucket"),
]
RangeHeader = Annotated[
    str | None, HeaderParameter(name="Range", description="One range of bytes, such as bytes=0-99")
]
IfRange = Annotated[
    str | None, HeaderParameter(name="If-Range", description="ETag of what the client has")
]
IfNoneMatch = Annotated[
    str | None, HeaderParameter(name="If-None-Match", description="ETags that the client has")
]
Format = Annotated[
    Literal["wav", "mp3", "flac", "opus"] | None,
    QueryParameter(name="format", description="Format, converted while it is sent"),
]
Start = Annotated[
    float | None,
    QueryParameter(
        name="start",
        ge=0,
        description="Start in seconds",
        schema_extra={"minimum": 0},
    ),
]
End = Annotated[
    float | None,
    QueryParameter(name="end", ge=0, description="End in seconds", schema_extra={"minimum": 0}),
]


class RecordingsController(Controller):
    """The endpoints of a session's audio, active or completed."""

    path = "/api/audio/sessions/{session_id:str}"
    tags = ["recordings"]  # noqa: RUF012 - the framework's own attribute

    @get(
        "/download",
        guards=[requires("read")],
        responses=errors(*SESSION_ERRORS),
        operation_id="getDownloadLink",
        response_description="The link and its expiry",
        summary="Get a link to the audio that is valid without credentials",
    )
    async def download(
        self,
        request: HttpRequest,
        session_id: FromPath[str],
        signer: Injected[LinkSigner],
        settings: Injected[Settings],
        clock: Injected[Clock],
    ) -> DownloadLink:
        found = await find_session(request)
        audit("read", request.user, session_id, reason="link")
        now, ends_at = clock.now(), identity_of(request).expires_at
        ttl_seconds = lifetime_seconds(settings.download_url_ttl_seconds, now, ends_at)
        if link := await found.link(ttl_seconds):
            return DownloadLink(url=link.url, expires_at=link.expires_at)
        path = f"/api/audio/sessions/{found.session_id}/audio"
        return signer.link(base_url(request, settings), path, ttl_seconds, now)

    @get(
        "/audio",
        media_type="audio/wav",
        responses={
            **AUDIO_RESPONSES,
            **errors(
                UrlExpiredError(),
                InvalidSignatureError(),
                InvalidParameterError("expires"),
                RangeNotSatisfiableError(80),
                TooManyReadersError(32),
                *SESSION_ERRORS,
            ),
        },
        operation_id="getAudio",
        response_description="The recorded audio, or the requested part of it",
        summary="Get the WAV; of an active session, what is recorded so far",
        description=(
            "Honours Range, If-Range and If-None-Match. With format, start or end the audio is "
            "converted while it is sent, and these headers have no effect."
        ),
    )
    async def audio(
        self,
        request: HttpRequest,
        session_id: FromPath[str],
        signer: Injected[LinkSigner],
        clock: Injected[Clock],
        settings: Injected[Settings],
        expires: Expires = None,
        signature: Signature = None,
        range_header: RangeHeader = None,
        if_range: IfRange = None,
        if_none_match: IfNoneMatch = None,
        redirect: RedirectFlag = True,  # noqa: FBT002 - a parameter of the request
        format: Format = None,  # noqa: A002 - a parameter of the request
        start: Start = None,
        end: End = None,
        *,
        converter: Injected[Converter],
        readers: Injected[Readers],
    ) -> Response[Any]:
        if signature is not None or expires is not None:
            signer.check(request.url.path, str(expires), signature or "", clock.now())
            ends_at: datetime | None = datetime.fromtimestamp(expires or 0, UTC)
        else:
            ends_at = (await admit(request, "read")).expires_at
        found = await session_to_read(request)
        audit("read", request.user, session_id)
        if format or start is not None or end is not None:
            part = await extract(found, start, end)
            name = format or "wav"
            return converted_answer(request, readers, part, name, found.manifest, converter)
        if redirect and sent_method(request.scope) == "GET":
            link = await found.link(
                lifetime_seconds(settings.download_url_ttl_seconds, clock.now(), ends_at)
            )
            if link is not None:
                return Response(
                    b"",
                    status_code=HTTP_307_TEMPORARY_REDIRECT,
                    headers={"Location": link.url},
                )
        audio = await found.audio()
        conditions = Conditions(range_header, if_range, if_none_match)
        return file_answer(request, readers, audio, found.manifest, conditions)
