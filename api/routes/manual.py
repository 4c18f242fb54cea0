"""The manual at ``/manual``: files that ``make docs`` or the build of the image has made.

They are in ``web/manual``; without them the answer is 404.
"""

import functools
import mimetypes
from pathlib import Path

from litestar import MediaType, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect

from api.routes.request import HttpRequest
from api.routes.web_files import file_answer, read_file

FOLDER = Path(__file__).parents[2] / "web" / "manual"
_HOME = "docs/index.html"

# The theme has scripts and styles within its pages.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"
)


@get("/manual", include_in_schema=False)
async def manual() -> Redirect:
    """Lead to the first page. Its address is relative: the service may be below a path."""
    return Redirect(f"manual/{_HOME}")


@get("/manual/{path:path}", include_in_schema=False, media_type=MediaType.HTML, sync_to_thread=True)
def manual_file(request: HttpRequest, path: FromPath[str]) -> Response[bytes]:
    """Serve a file of the manual."""
    source = _files(FOLDER).get(path.strip("/"))
    if source is None:
        raise NotFoundException
    media_type = mimetypes.guess_type(source.name)[0] or "application/octet-stream"
    headers = {"Content-Security-Policy": _POLICY}
    return file_answer(request, read_file(source, media_type), **headers)


@functools.cache
def _files(folder: Path) -> dict[str, Path]:
    """Return the files by their paths; only these are served, whatever a request asks for."""
    return {str(each.relative_to(folder)): each for each in folder.rglob("*") if each.is_file()}
