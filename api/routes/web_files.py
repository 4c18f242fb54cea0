"""The files that browsers load: of the page, of the JavaScript client, and third-party files.

They are in ``web`` and ``clients/js`` and are served unchanged. ``make assets`` and the build of
the image copy pinned third-party files to ``web/vendor``.
"""

import functools
import hashlib
from pathlib import Path
from typing import NamedTuple

from litestar import Response
from litestar.status_codes import HTTP_304_NOT_MODIFIED

from api.routes.request import HttpRequest
from api.wire.byte_ranges import is_match

_ROOT = Path(__file__).parents[2]
_WEB = _ROOT / "web"
_CLIENT = _ROOT / "clients" / "js"

_MEDIA_TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}


class File(NamedTuple):
    """The content of a file and the headers it is served with."""

    content: bytes
    media_type: str
    etag: str


def file_answer(request: HttpRequest, found: File, **headers: str) -> Response[bytes]:
    """Return the answer with a file, or 304 if the client has it already."""
    # The URL has no version, and the content may change with each deployment.
    all_headers = {"ETag": found.etag, "Cache-Control": "no-cache", **headers}
    if is_match(request.headers.get("If-None-Match"), found.etag):
        return Response(b"", status_code=HTTP_304_NOT_MODIFIED, headers=all_headers)
    return Response(found.content, media_type=found.media_type, headers=all_headers)


@functools.cache
def files() -> dict[str, File]:
    """Return all files by the path at which each is served."""
    found = {
        "/client.js": _CLIENT / "sercuescribe.js",
        "/microphone-worklet.js": _CLIENT / "microphone-worklet.js",
    }
    for prefix, folder in (
        ("/client", _CLIENT / "client"),
        ("/page", _WEB / "page"),
        ("/vendor", _WEB / "vendor"),
    ):
        found |= {
            f"{prefix}/{path.name}": path
            for path in folder.glob("*")
            if path.suffix in _MEDIA_TYPES
        }
    return {path: read_file(each, _MEDIA_TYPES[each.suffix]) for path, each in found.items()}


def vendored(name: str) -> str | None:
    """Return the path of a third-party file; None if it is not in ``web/vendor``."""
    path = f"/vendor/{name}"
    return path if path in files() else None


def read_file(path: Path, media_type: str) -> File:
    """Read a file. Blocks."""
    content = path.read_bytes()
    return File(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"')


@functools.cache
def document(name: str) -> bytes:
    """Return the HTML of a page."""
    return (_WEB / name).read_bytes()
