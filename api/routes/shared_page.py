"""The page that a shared link opens, and the audio that it plays. The link is the only permission.

The page is HTML with the browser's own player. Its content policy allows this service's styles and
script, and audio from the bucket if the storage redirects to one. Caches may not give the page or
the audio without asking, so that a link that has ended opens nothing.
"""

import html
from datetime import datetime
from string import Template
from typing import Any
from urllib.parse import urlsplit

from litestar import Controller, MediaType, Response, get
from litestar.params import FromPath
from litestar.status_codes import HTTP_307_TEMPORARY_REDIRECT

from api.access.audit import audit
from api.access.authorization import find_session
from api.access.refusals import audit_denial
from api.access.shared_links import link_id_of
from api.access.signed_links import lifetime_seconds
from api.audio.ffmpeg.encoder import Converter
from api.clock import Clock
from api.routes.audio_answers import Conditions, converted_answer, extract, file_answer
from api.routes.request import HttpRequest, Injected
from api.routes.streaming import Readers
from api.routes.web_files import document
from api.session.found import Found
from api.session.session_ids import parse_session_id
from api.settings import Settings
from api.wire.errors import (
    LinkNotFoundError,
    SessionNotFoundError,
    UrlExpiredError,
    to_wire_error,
)
from api.wire.routing import sent_method
from storage.base import Storage
from storage.shared_links import SharedLink

# Of the URL in the bucket to which a visit is redirected: a revoked link is over after that.
_REDIRECT_SECONDS = 60

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "media-src 'self'{bucket}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class SharedController(Controller):
    """The endpoints at and below ``/l/{session_id}/{secret}``, for visitors."""

    path = "/l/{session_id:str}/{secret:str}"
    include_in_schema = False

    @get(media_type=MediaType.HTML)
    async def page(
        self,
        request: HttpRequest,
        session_id: FromPath[str],
        secret: FromPath[str],
        storage: Injected[Storage],
        settings: Injected[Settings],
        clock: Injected[Clock],
    ) -> Response[str]:
        root = html.escape(settings.public_path)
        try:
            link, found = await _shared(request, session_id, secret, storage, clock.now())
        except (LinkNotFoundError, UrlExpiredError) as error:
            audit_denial(request.scope, error)
            has_ended = isinstance(error, UrlExpiredError)
            reason = (
                "This link has ended."
                if has_ended
                else ("This link was revoked, or its address is not complete.")
            )
            content = _template("shared-ended.html").substitute(root=root, reason=reason)
            return _page(content, "", to_wire_error(error).http_status)
        manifest = found.manifest
        length = manifest.duration_seconds
        duration = min(length, link.end or length) - (link.start or 0.0)
        content = _template("shared.html").substitute(
            root=root,
            title=html.escape(manifest.title or "Recording"),
            recorded_at=_time(manifest.created_at),
            duration=_duration(duration),
            expires_at=_time(link.expires_at),
            audio=html.escape(f"{settings.public_path}/l/{session_id}/{secret}/audio"),
        )
        return _page(content, await _bucket_of(link, found))

    @get("/audio")
    async def audio(
        self,
        request: HttpRequest,
        session_id: FromPath[str],
        secret: FromPath[str],
        storage: Injected[Storage],
        clock: Injected[Clock],
        *,
        converter: Injected[Converter],
        readers: Injected[Readers],
    ) -> Response[Any]:
        link, found = await _shared(request, session_id, secret, storage, clock.now())
        audit("read", request.user, session_id, reason=f"link {link.link_id}")
        answer = await _audio(request, link, found, clock.now(), converter, readers)
        answer.headers["Cache-Control"] = "private, no-cache"
        return answer


async def _shared(
    request: HttpRequest, session_id: str, secret: str, storage: Storage, now: datetime
) -> tuple[SharedLink, Found]:
    """Return the link and its session. Raises `LinkNotFoundError` and `UrlExpiredError`."""
    try:
        link = await storage.shared_links.get(parse_session_id(session_id), link_id_of(secret))
        if link is None:
            raise LinkNotFoundError
        if link.expires_at <= now:
            raise UrlExpiredError
        return link, await find_session(request)
    except SessionNotFoundError as error:
        raise LinkNotFoundError from error


async def _audio(
    request: HttpRequest,
    link: SharedLink,
    found: Found,
    now: datetime,
    converter: Converter,
    readers: Readers,
) -> Response[Any]:
    conditions = Conditions.of(request)
    if link.format not in {None, "wav"}:
        part = await extract(found, link.start, link.end)
        name = str(link.format)
        return converted_answer(request, readers, part, name, found.manifest, converter)
    if not _is_whole(link):
        part = await extract(found, link.start, link.end)
        return file_answer(request, readers, part, found.manifest, conditions)
    if sent_method(request.scope) == "GET":
        target = await found.link(lifetime_seconds(_REDIRECT_SECONDS, now, link.expires_at))
        if target is not None:
            headers = {"Location": target.url}
            return Response(b"", status_code=HTTP_307_TEMPORARY_REDIRECT, headers=headers)
    return file_answer(request, readers, await found.audio(), found.manifest, conditions)


def _is_whole(link: SharedLink) -> bool:
    """Return whether the link opens the stored file as it is."""
    return link.format in {None, "wav"} and not link.start and link.end is None


async def _bucket_of(link: SharedLink, found: Found) -> str:
    """Return the origin to which the audio is redirected; empty if this service sends it."""
    target = await found.link(_REDIRECT_SECONDS) if _is_whole(link) else None
    if target is None:
        return ""
    parts = urlsplit(target.url)
    return f" {parts.scheme}://{parts.netloc}"


def _page(content: str, bucket: str, status_code: int = 200) -> Response[str]:
    headers = {
        "Content-Security-Policy": _POLICY.format(bucket=bucket),
        "Cache-Control": "no-store",
        "X-Robots-Tag": "noindex",
    }
    return Response(content, media_type=MediaType.HTML, status_code=status_code, headers=headers)


def _template(name: str) -> Template:
    return Template(document(name).decode())


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(max(seconds, 0)), 60)  # whole seconds, as players show them
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
