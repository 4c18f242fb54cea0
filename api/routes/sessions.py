"""The HTTP endpoints of sessions: create, get, change, close, delete, create a token."""

from typing import Annotated

import msgspec
from litestar import Controller, delete, get, patch, post
from litestar.params import BodyKwarg, FromPath
from litestar.status_codes import (
    HTTP_200_OK,
)

from api.access.audit import audit
from api.access.authorization import effective_user, find_session, requires
from api.access.keeping import NEW, checked_changes
from api.access.session_tokens import SessionTokens
from api.audio.formats import CHANNELS, SAMPLE_RATES
from api.clock import Clock
from api.cluster.http_relay import change_session, session_to_read
from api.events.authorizer import SessionAuthorizer
from api.observe.metrics import Metrics
from api.routes.request import HttpRequest, Injected, base_url, for_caller, identity_of
from api.session.found import Found
from api.session.parameters import (
    AudioParameters,
    audio_parameters,
    detail_changes,
    user_id,
)
from api.session.registry import Registry
from api.settings import Settings
from api.wire.errors import (
    AuthorizationUnavailableError,
    DiskReserveError,
    InvalidParameterError,
    NotAllowedError,
    RateLimitedError,
    TooManySessionsError,
    TooManyUserSessionsError,
)
from api.wire.messages import (
    ChangeSession,
    CreatedSession,
    CreateSession,
    CreateToken,
    SessionInfo,
    SessionResult,
    SessionTokenInfo,
)
from api.wire.openapi import COMMON_ERRORS, SESSION_ERRORS, errors
from storage.details import DetailChanges
from storage.errors import BadObjectError, SessionHeldError

NewToken = Annotated[
    CreateToken | None, BodyKwarg(description="Scope of the token; without a body: record")
]
Changes = Annotated[
    ChangeSession | None, BodyKwarg(description="The new values; without a body nothing changes")
]
NewSession = Annotated[
    CreateSession | None, BodyKwarg(description="All parameters and the body are optional")
]


class SessionsController(Controller):
    """The endpoints at and below ``/api/audio/sessions`` that are about sessions."""

    path = "/api/audio/sessions"
    tags = ["sessions"]  # noqa: RUF012 - the framework's own attribute

    @post(
        guards=[requires("record")],
        responses=errors(
            InvalidParameterError("sample_rate", SAMPLE_RATES),
            InvalidParameterError("channels", CHANNELS),
            TooManySessionsError(100),
            TooManyUserSessionsError(10),
            DiskReserveError(50, 100),
            RateLimitedError(),
            AuthorizationUnavailableError(),
            *COMMON_ERRORS,
        ),
        operation_id="createSession",
        response_description="The new session and its WebSocket URL",
        summary="Create a session",
    )
    async def create(
        self,
        request: HttpRequest,
        registry: Injected[Registry],
        settings: Injected[Settings],
        default_audio: Injected[AudioParameters],
        tokens: Injected[SessionTokens],
        clock: Injected[Clock],
        authorizer: Injected[SessionAuthorizer],
        data: NewSession = None,
    ) -> CreatedSession:
        given = msgspec.to_builtins(data) if data else {}
        identity = identity_of(request)
        user = effective_user(identity, user_id(given))
        parameters = audio_parameters(given, default_audio)
        changes = checked_changes(detail_changes(given), NEW, identity, clock.now())
        await authorizer.check(user, request.user.address, parameters)
        session = await registry.create(
            parameters, user, changes.apply_to(NEW), is_admin=identity.has_admin_reserve
        )
        info = for_caller(session.info(), identity)
        audit("created", request.user, info.session_id)
        ws_url = _ws_url(request, settings, info.session_id)
        if not settings.requires_credentials:
            return CreatedSession(session_id=info.session_id, ws_url=ws_url, session=info)
        token = tokens.make(info.session_id, user, "record", identity, clock.now())
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
        responses=errors(InvalidParameterError("body"), *SESSION_ERRORS),
        operation_id="createSessionToken",
        response_description="The token and the WebSocket URL of the session",
        summary="Create a token for one session, for a browser without an API key",
        description="The service checks a token when a client connects and reconnects.",
    )
    async def token(
        self,
        request: HttpRequest,
        session_id: FromPath[str],
        settings: Injected[Settings],
        tokens: Injected[SessionTokens],
        clock: Injected[Clock],
        data: NewToken = None,
    ) -> SessionTokenInfo:
        identity, scope = identity_of(request), (data or CreateToken()).scope
        if identity.session_id is not None:
            raise NotAllowedError("a session token cannot create tokens")
        user = (await find_session(request)).manifest.user_id
        token = tokens.make(session_id, user, scope, identity, clock.now())
        audit("token", request.user, session_id, reason=scope)
        return SessionTokenInfo(
            token=token.token,
            scope=scope,
            expires_at=token.expires_at,
            ws_url=f"{_ws_url(request, settings, session_id)}?token={token.token}",
        )

    @get(
        "/{session_id:str}",
        guards=[requires("record", "read")],
        responses=errors(*SESSION_ERRORS),
        operation_id="getSession",
        response_description="The current state of the session",
        summary="Get a session",
    )
    async def info(self, request: HttpRequest, session_id: FromPath[str]) -> SessionInfo:
        del session_id  # `find_session` takes it from the request
        info = await (await session_to_read(request)).info()
        return for_caller(info, identity_of(request))

    @patch(
        "/{session_id:str}",
        guards=[requires("record")],
        responses=errors(
            InvalidParameterError("title"),
            NotAllowedError("only an admin lifts a hold"),
            *SESSION_ERRORS,
        ),
        operation_id="changeSession",
        response_description="The state of the session with the new values",
        summary="Change title, metadata, hold and expires_at of a session, also while it records",
        description=(
            "A value that is omitted stays as it is. Metadata are replaced as a whole; null removes"
            " a title, all metadata, or expires_at. Only an admin lifts a hold."
        ),
    )
    async def change(
        self,
        request: HttpRequest,
        session_id: FromPath[str],
        registry: Injected[Registry],
        clock: Injected[Clock],
        data: Changes = None,
    ) -> SessionInfo:
        changes = detail_changes(msgspec.to_builtins(data) if data else {})

        async def change(found: Found) -> SessionInfo:
            checked = checked_changes(
                changes, found.manifest.details, identity_of(request), clock.now()
            )
            info = await registry.change(found, checked)
            audit("changed", request.user, session_id, reason=_audited(checked))
            return info

        return for_caller(await change_session(request, change), identity_of(request))

    @post(
        "/{session_id:str}/close",
        status_code=HTTP_200_OK,
        guards=[requires("record")],
        responses=errors(*SESSION_ERRORS),
        operation_id="closeSession",
        response_description="The session is completed",
        summary="Complete a session",
        description="Connected clients get the final message. Closing again changes nothing.",
    )
    async def close(
        self, request: HttpRequest, session_id: FromPath[str], registry: Injected[Registry]
    ) -> SessionResult:
        del session_id  # `find_session` takes it from the request
        info = await change_session(request, registry.close)
        info = for_caller(info, identity_of(request))
        audit("closed", request.user, info.session_id)
        return SessionResult(
            success=True, message="Session closed", session_id=info.session_id, session=info
        )

    @delete(
        "/{session_id:str}",
        status_code=HTTP_200_OK,
        guards=[requires("record")],
        responses=errors(SessionHeldError(""), *SESSION_ERRORS),
        operation_id="deleteSession",
        response_description="The session is deleted",
        summary="Delete a session and its audio",
        description=(
            "A session with a hold is not deleted. A session whose manifest is damaged can be"
            " deleted by an admin only."
        ),
    )
    async def remove(
        self,
        request: HttpRequest,
        session_id: FromPath[str],
        registry: Injected[Registry],
        metrics: Injected[Metrics],
    ) -> SessionResult:
        if identity_of(request).session_id is not None:
            raise NotAllowedError("a session token cannot delete the session")
        try:
            await change_session(request, registry.deletions.delete)
        except BadObjectError:
            # It cannot be known whose session it is, so only an admin gets here.
            await registry.deletions.delete_damaged(session_id)
        audit("deleted", request.user, session_id)
        metrics.deleted.add("client")
        return SessionResult(success=True, message="Session deleted", session_id=session_id)


def _audited(changes: DetailChanges) -> str:
    """Return what the audit log says of changes: how long a session is kept, not its texts."""
    found = [] if changes.hold is msgspec.UNSET else [f"hold={str(changes.hold).lower()}"]
    if changes.expires_at is not msgspec.UNSET:
        at = "null" if changes.expires_at is None else changes.expires_at.isoformat()
        found.append(f"expires_at={at}")
    return " ".join(found)


def _ws_url(request: HttpRequest, settings: Settings, session_id: str) -> str:
    base = base_url(request, settings).replace("http", "ws", 1)
    return f"{base}/api/ws/audio/{session_id}"
