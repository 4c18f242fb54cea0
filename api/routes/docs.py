"""The OpenAPI and AsyncAPI documents, and the pages that show them.

The pages load third-party scripts: from ``web/vendor`` (see `web_files`), or, if the copies are
missing, from Litestar's CDN.
"""

from typing import Any
from urllib.parse import urlsplit

from litestar import MediaType, get
from litestar.openapi.plugins import RedocRenderPlugin, SwaggerRenderPlugin

from api.routes.request import HttpRequest, Injected
from api.routes.web_files import vendored
from api.settings import Settings
from api.wire.asyncapi import asyncapi_document


@get("/openapi.json", include_in_schema=False)
async def openapi_json(request: HttpRequest) -> dict[str, Any]:
    return _document(request)


@get("/asyncapi.json", include_in_schema=False)
async def asyncapi_json() -> dict[str, Any]:
    return asyncapi_document()


@get("/redoc", include_in_schema=False, media_type=MediaType.HTML)
async def redoc(request: HttpRequest, settings: Injected[Settings]) -> bytes:
    return _redoc(settings.public_path).render(request, _document(request))


def _document(request: HttpRequest) -> dict[str, Any]:
    """Return the document that was made at the start: that takes longer than a request may."""
    document: dict[str, Any] = request.app.state.openapi
    return document


def swagger(public_path: str) -> SwaggerRenderPlugin:
    """Return the plugin of Swagger UI, which Litestar serves at ``/docs``.

    ``public_path`` is the path under which clients reach the service, "" if it is the root.
    """
    return SwaggerRenderPlugin(
        path="/",
        js_url=_script(public_path, "swagger-ui-bundle.js"),
        css_url=_script(public_path, "swagger-ui.css"),
        standalone_preset_js_url=_script(public_path, "swagger-ui-standalone-preset.js"),
        favicon=_icon(public_path),
    )


def content_policies() -> dict[str, str]:
    """Return the content policy by the path of each page.

    It allows the service's own host and the host of the page's scripts.
    """
    pages = {"/docs": swagger("").js_url, "/redoc": _redoc("").js_url}
    return {
        path: (
            f"default-src 'self'; script-src 'unsafe-inline' {source}; worker-src blob:; "
            f"style-src 'unsafe-inline' {source}; img-src 'self' data:; "
            "frame-ancestors 'none'"
        )
        for path, source in ((path, _source(url)) for path, url in pages.items())
    }


def _redoc(public_path: str) -> RedocRenderPlugin:
    return RedocRenderPlugin(
        js_url=_script(public_path, "redoc.standalone.js"),
        google_fonts=False,
        favicon=_icon(public_path),
    )


def _script(public_path: str, name: str) -> str | None:
    path = vendored(name)
    return path and public_path + path


def _icon(public_path: str) -> str:
    return f'<link rel="icon" href="{public_path}/page/icon.svg">'


def _source(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else "'self'"
