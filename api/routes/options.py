"""The response to OPTIONS."""

from litestar import Response
from litestar.routes import HTTPRoute
from litestar.status_codes import HTTP_204_NO_CONTENT

from api.routes.request import HttpRequest
from api.wire.error_answers import allow


async def answer_options(request: HttpRequest) -> Response[None] | None:
    """Return the response to OPTIONS with all methods of the path; None for other methods.

    Litestar lists only one method if a controller has several handlers for a path.
    """
    if request.method != "OPTIONS":
        return None
    path = request.scope["path_template"]
    methods = {
        method
        for route in request.app.routes
        if isinstance(route, HTTPRoute) and route.path_format == path
        for method in route.methods
    }
    headers = {"Allow": allow(methods)}
    return Response(None, status_code=HTTP_204_NO_CONTENT, headers=headers)
