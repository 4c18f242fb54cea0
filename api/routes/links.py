"""The HTTP endpoints of shared links for the owner of a session: make, list, revoke."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller, delete, get, post
from litestar.params import BodyKwarg, FromPath
from litestar.status_codes import HTTP_200_OK

from api.access.audit import audit
from api.access.authorization import find_session, requires
from api.access.shared_links import new_link, new_secret, superfluous
from api.clock import Clock
from api.routes.request import HttpRequest, Injected, base_url, identity_of
from api.session.found import Found
from api.settings import Settings
from api.wire.errors import (
    InvalidParameterError,
    LinkNotFoundError,
    NotAllowedError,
    SessionActiveError,
    TooManyLinksError,
)
from api.wire.messages import CreatedLink, CreateLink, LinkInfo, LinkList, SessionResult
from api.wire.openapi import EXAMPLE_ID, SESSION_ERRORS, errors
from storage.base import Storage
from storage.shared_links import SharedLink, is_link_id

NewLink = Annotated[
    CreateLink | None,
    BodyKwarg(description="All are optional; without a body: the whole recording, for seven days"),
]


class LinksController(Controller):
    """The endpoints at and below ``/api/audio/sessions/{session_id}/links``."""

    path = "/api/audio/sessions/{session_id:str}/links"
    tags = ["recordings"]  # noqa: RUF012 - the framework's own attribute

    @post(
        guards=[requires("read")],
        responses=errors(
            InvalidParameterError("expires_in_seconds"),
            SessionActiveError(EXAMPLE_ID),
            TooManyLinksError(100),
            *SESSION_ERRORS,
        ),
        operation_id="createLink",
        response_description="The link; its address cannot be read again",
        summary="Share a completed recording, or a part of it, by a link that ends",
        description=(
            "The link opens a page that plays the recording, without credentials, until it ends or "
            "is revoked. If a session has too many links, those that have ended are removed."
        ),
    )
    async def create(
        self,
        request: HttpRequest,
        session_id: FromPath[str],
        storage: Injected[Storage],
        settings: Injected[Settings],
        clock: Injected[Clock],
        data: NewLink = None,
    ) -> CreatedLink:
        manifest = (await _session_of_user(request)).manifest
        if manifest.status == "active":
            raise SessionActiveError(session_id)
        secret, now, key = new_secret(), clock.now(), UUID(session_id)
        link = new_link(secret, data or CreateLink(), now, manifest.duration_seconds)
        links = storage.shared_links
        for each in superfluous(await links.all(key), now):
            await links.remove(key, each.link_id)
        await links.add(key, link)
        audit("shared", request.user, session_id, reason=f"link {link.link_id}")
        return CreatedLink(
            **msgspec.structs.asdict(link),
            url=f"{base_url(request, settings)}/l/{session_id}/{secret}",
        )

    @get(
        guards=[requires("read")],
        responses=errors(*SESSION_ERRORS),
        operation_id="listLinks",
        response_description="The links, also those that have ended, without their addresses",
        summary="List the shared links of a session",
    )
    async def list(
        self, request: HttpRequest, session_id: FromPath[str], storage: Injected[Storage]
    ) -> LinkList:
        await _session_of_user(request)
        links = await storage.shared_links.all(UUID(session_id))
        return LinkList(links=[_info(each) for each in links])

    @delete(
        "/{link_id:str}",
        status_code=HTTP_200_OK,
        guards=[requires("read")],
        responses=errors(LinkNotFoundError(), *SESSION_ERRORS),
        operation_id="revokeLink",
        response_description="The link is revoked",
        summary="Revoke a shared link at once",
    )
    async def revoke(
        self,
        request: HttpRequest,
        session_id: FromPath[str],
        link_id: FromPath[str],
        storage: Injected[Storage],
    ) -> SessionResult:
        await _session_of_user(request)
        key = UUID(session_id)
        if not is_link_id(link_id) or not await storage.shared_links.remove(key, link_id):
            raise LinkNotFoundError
        audit("unshared", request.user, session_id, reason=f"link {link_id}")
        return SessionResult(success=True, message="Link revoked", session_id=session_id)


async def _session_of_user(request: HttpRequest) -> Found:
    """Return the session; a session token would outlive itself in a link."""
    if identity_of(request).session_id is not None:
        raise NotAllowedError("a session token cannot share the session")
    return await find_session(request)


def _info(link: SharedLink) -> LinkInfo:
    return LinkInfo(**msgspec.structs.asdict(link))
