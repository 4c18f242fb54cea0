"""The OpenAPI and AsyncAPI documents, and the pages that show them.

The pages load third-party scripts: from ``web/vendor`` (see `web_files`), or, if the copies are
missing, from Litestar's CDN.
"""

from typing import Any
from urllib.parse import urlsplit

from litestar import MediaType, get
from litestar.openapi.plugins import RedocRenderPlugin, SwaggerRenderPlugin

from api.routes.request import HttpRequest
from api.routes.web_files import vendored
from api.wire.asyncapi import asyncapi_document

_ICON = '<link rel="icon" href="/page/icon.svg">'


@get("/openapi.json", include_in_schema=False)
async def openapi_json(request: HttpRequest) -> dict[str, Any]:
    return request.app.openapi_schema.to_schema()


@get("/asyncapi.json", include_in_schema=False)
async def asyncapi_json() -> dict[str, Any]:
    return asyncapi_document()


@get("/redoc", include_in_schema=False, media_type=MediaType.HTML)
async def redoc(request: HttpRequest) -> bytes:
    return _redoc().render(request, request.app.openapi_schema.to_schema())


def swagger() -> SwaggerRenderPlugin:
    """Return the plugin of Swagger UI, which Litestar serves at ``/docs``."""
    return SwaggerRenderPlugin(
        path="/",
        js_url=vendored("swagger-ui-bundle.js"),
        css_url=vendored("swagger-ui.css"),
        standalone_preset_js_url=vendored("swagger-ui-standalone-preset.js"),
        favicon=_ICON,
    )


def content_policies() -> dict[str, str]:
    """Return the content policy by the path of each page.

    It allows the service's own host and the host of the page's scripts.
    """
    pages = {"/docs": swagger().js_url, "/redoc": _redoc().js_url}
    return {
        path: (
            f"default-src 'self'; script-src 'unsafe-inline' {source}; worker-src blob:; "
            f"style-src 'unsafe-inline' {source}; img-src 'self' data:; "
            "frame-ancestors 'none'"
        )
        for path, source in ((path, _source(url)) for path, url in pages.items())
    }


def _redoc() -> RedocRenderPlugin:
    return RedocRenderPlugin(
        js_url=vendored("redoc.standalone.js"), google_fonts=False, favicon=_ICON
    )


def _source(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else "'self'"
