"""The list of sessions: filters, order, pages."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import get
from litestar.params import QueryParameter

from api.access.authorization import effective_user, requires
from api.access.cursors import Cursors
from api.access.identity import Identity
from api.routes.request import HttpRequest, Injected, for_caller, identity_of
from api.session.parameters import metadata_filter, search_text, time_filter
from api.session.registry import Registry
from api.wire.errors import InvalidParameterError
from api.wire.messages import NO_CONTROLS, SessionPage
from api.wire.openapi import COMMON_ERRORS, errors
from storage.filters import Filters
from storage.manifest import Status

UserId = Annotated[
    str | None, QueryParameter(name="user_id", description="Only sessions of this user")
]
StatusFilter = Annotated[
    Status | None, QueryParameter(name="status", description="Only sessions with this status")
]
WarningsFilter = Annotated[
    bool | None,
    QueryParameter(
        name="has_warnings", description="Only sessions with warnings, or only those without"
    ),
]
From = Annotated[
    str | None,
    QueryParameter(
        name="from",
        description="Only sessions that were created then or later",
        schema_extra={"format": "date-time"},
    ),
]
To = Annotated[
    str | None,
    QueryParameter(
        name="to",
        description="Only sessions that were created before",
        schema_extra={"format": "date-time"},
    ),
]
SearchText = Annotated[
    str | None,
    QueryParameter(
        name="q",
        description="Part of the title, of a value of metadata or of the user; or beginning of id",
        schema_extra={"maxLength": 200, "pattern": NO_CONTROLS},
    ),
]
Sort = Annotated[
    Literal["newest", "oldest"], QueryParameter(name="sort", description="Which sessions are first")
]
Limit = Annotated[int, QueryParameter(name="limit", ge=1, le=1000, description="Sessions per page")]
Cursor = Annotated[
    str | None, QueryParameter(name="cursor", description="next_cursor of the previous page")
]


@get(
    "/api/audio/sessions",
    tags=["sessions"],
    guards=[requires("read")],
    responses=errors(InvalidParameterError("limit"), *COMMON_ERRORS),
    operation_id="listSessions",
    response_description="A page of sessions, and the cursor of the next page",
    summary="List sessions, newest first",
    description=(
        "`metadata.KEY=VALUE` lists sessions with this value. A page may have fewer sessions than"
        " `limit` although there are more: the list ends where `next_cursor` is null."
    ),
)
async def list_sessions(
    request: HttpRequest,
    registry: Injected[Registry],
    cursors: Injected[Cursors],
    user_id: UserId = None,
    status: StatusFilter = None,
    has_warnings: WarningsFilter = None,
    created_from: From = None,
    created_to: To = None,
    text: SearchText = None,
    sort: Sort = "newest",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> SessionPage:
    identity = identity_of(request)
    filters = Filters(
        status=status,
        user_id=_listed_user(identity, user_id),
        has_warnings=has_warnings,
        created_from=time_filter("from", created_from),
        created_to=time_filter("to", created_to),
        text=search_text(text),
        metadata=metadata_filter(request.query_params.multi_items()),
        is_oldest_first=sort == "oldest",
    )
    page = await registry.pages.read(
        filters, limit=limit, cursor=cursors.open(cursor) if cursor else None
    )
    return msgspec.structs.replace(
        page,
        sessions=[for_caller(info, identity) for info in page.sessions],
        next_cursor=page.next_cursor and cursors.seal(UUID(page.next_cursor)),
    )


def _listed_user(identity: Identity, user_id: str | None) -> str | None:
    """Return the user whose sessions are listed; None: all, for an admin."""
    return user_id if identity.is_admin else effective_user(identity, user_id)
