"""The web pages for recording and for the state of the node, and the files that they load."""

from litestar import MediaType, Response, get
from litestar.exceptions import NotFoundException

from api.routes.request import HttpRequest
from api.routes.web_files import document, file_answer, files

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; media-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


@get("/", include_in_schema=False, media_type=MediaType.HTML, sync_to_thread=False)
def page() -> Response[bytes]:
    """Serve the page for recording and playback."""
    return _page("index.html")


@get("/status", include_in_schema=False, media_type=MediaType.HTML, sync_to_thread=False)
def status_page() -> Response[bytes]:
    """Serve the page with the state of this node; it asks for a key and fetches the state."""
    return _page("status.html")


def _page(name: str) -> Response[bytes]:
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"}
    return Response(document(name), media_type=MediaType.HTML, headers=headers)


@get(
    [
        "/client.js",
        "/microphone-worklet.js",
        "/client/{name:str}",
        "/page/{name:str}",
        "/vendor/{name:str}",
    ],
    include_in_schema=False,
    media_type="text/javascript",
    sync_to_thread=False,
)
def file(request: HttpRequest) -> Response[bytes]:
    """Serve a file that pages load."""
    found = files().get(request.url.path)
    if found is None:
        raise NotFoundException
    return file_answer(request, found)
