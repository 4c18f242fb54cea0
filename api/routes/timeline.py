"""The HTTP endpoints of what happens while a session records: pauses, marks, the timeline."""

from typing import Annotated

import msgspec
from litestar import Controller, get, post
from litestar.params import BodyKwarg, FromPath
from litestar.status_codes import HTTP_200_OK

from api.access.audit import audit
from api.access.authorization import requires
from api.cluster.http_relay import change_session, session_to_read
from api.routes.request import HttpRequest, Injected, for_caller, identity_of
from api.session.parameters import mark_label
from api.session.registry import Registry
from api.wire.errors import InvalidParameterError, SessionCompletedError, TooManyMarksError
from api.wire.messages import MarkSession, SessionInfo
from api.wire.openapi import EXAMPLE_ID, SESSION_ERRORS, errors
from storage.timeline import MAX_ENTRIES, Timeline

_CHANGE_ERRORS = (SessionCompletedError(EXAMPLE_ID), *SESSION_ERRORS)

NewMark = Annotated[MarkSession, BodyKwarg(description="The label")]


class TimelineController(Controller):
    """The endpoints below ``/api/audio/sessions/{session_id}`` that are about its course."""

    path = "/api/audio/sessions/{session_id:str}"
    tags = ["sessions"]  # noqa: RUF012 - the framework's own attribute

    @get(
        "/timeline",
        guards=[requires("record", "read")],
        responses=errors(*SESSION_ERRORS),
        operation_id="getTimeline",
        response_description="The timeline so far, or of the whole session",
        summary="Get the timeline: connections, gaps, pauses and marks",
        description=(
            "The SHA-256 of the body is `timeline_digest` in the receipt of a completed session."
        ),
    )
    async def timeline(self, request: HttpRequest, session_id: FromPath[str]) -> Timeline:
        del session_id  # `find_session` takes it from the request
        data = await (await session_to_read(request)).timeline()
        return msgspec.json.decode(data, type=Timeline)

    @post(
        "/pause",
        status_code=HTTP_200_OK,
        guards=[requires("record")],
        responses=errors(*_CHANGE_ERRORS),
        operation_id="pauseSession",
        response_description="The state of the session",
        summary="Pause a session: chunks count and are not recorded",
        description="Pausing again changes nothing.",
    )
    async def pause(
        self, request: HttpRequest, session_id: FromPath[str], registry: Injected[Registry]
    ) -> SessionInfo:
        info = await change_session(request, registry.pause)
        audit("paused", request.user, session_id)
        return for_caller(info, identity_of(request))

    @post(
        "/resume",
        status_code=HTTP_200_OK,
        guards=[requires("record")],
        responses=errors(*_CHANGE_ERRORS),
        operation_id="resumeSession",
        response_description="The state of the session",
        summary="End the pause of a session",
        description="If the session is not paused, nothing changes.",
    )
    async def resume(
        self, request: HttpRequest, session_id: FromPath[str], registry: Injected[Registry]
    ) -> SessionInfo:
        info = await change_session(request, registry.resume)
        audit("resumed", request.user, session_id)
        return for_caller(info, identity_of(request))

    @post(
        "/marks",
        status_code=HTTP_200_OK,
        guards=[requires("record")],
        responses=errors(
            InvalidParameterError("label"), TooManyMarksError(MAX_ENTRIES), *_CHANGE_ERRORS
        ),
        operation_id="markSession",
        response_description="The state of the session",
        summary="Add a mark with a label at the last recorded frame",
    )
    async def mark(
        self,
        request: HttpRequest,
        session_id: FromPath[str],
        registry: Injected[Registry],
        data: NewMark,
    ) -> SessionInfo:
        del session_id
        label = mark_label(data.label)
        info = await change_session(request, lambda found: registry.mark(found, label))
        return for_caller(info, identity_of(request))
