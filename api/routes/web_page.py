"""What browsers load: the recorder's page, the JavaScript client, and what others wrote.

All of it lies in ``web`` and ``clients/js`` as it is served; ``make assets`` and the image's build
put pinned copies of other projects' files into ``web/vendor``. Without them the page has plainer
waveforms, and the documentation pages load the framework's copies from a CDN.
"""

import functools
import hashlib
import secrets
from pathlib import Path
from typing import Any, NamedTuple

from litestar import MediaType, Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.status_codes import HTTP_304_NOT_MODIFIED

from api.wire.byte_ranges import is_match

_ROOT = Path(__file__).parents[2]
_WEB = _ROOT / "web"
_CLIENT = _ROOT / "clients" / "js"

_MEDIA_TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}

# wavesurfer.js puts a style element into the page, which only this page's nonce allows.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self'; "
    "connect-src 'self'; media-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_NONCE = b"{nonce}"


class File(NamedTuple):
    """A file as it is served."""

    content: bytes
    media_type: str
    etag: str


@get("/", include_in_schema=False, media_type=MediaType.HTML, sync_to_thread=False)
def page() -> Response[bytes]:
    """The page to record with, and to hear what was recorded."""
    nonce = secrets.token_urlsafe(16)
    html = _index().replace(_NONCE, nonce.encode())
    headers = {
        "Content-Security-Policy": _POLICY.format(nonce=nonce),
        "Cache-Control": "no-store",
    }
    return Response(html, media_type=MediaType.HTML, headers=headers)


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
def file(request: Request[Any, Any, Any]) -> Response[bytes]:
    """One of the files that pages name."""
    found = files().get(request.url.path)
    if found is None:
        raise NotFoundException
    # An address without a version may mean another text after each deployment.
    headers = {"ETag": found.etag, "Cache-Control": "no-cache"}
    if is_match(request.headers.get("If-None-Match"), found.etag):
        return Response(b"", status_code=HTTP_304_NOT_MODIFIED, headers=headers)
    return Response(found.content, media_type=found.media_type, headers=headers)


@functools.cache
def files() -> dict[str, File]:
    """All files, by the path that each is served at."""
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
    return {path: _file(source) for path, source in found.items()}


def vendored(name: str) -> str | None:
    """Where a copy of somebody else's file is served, if it was put there."""
    path = f"/vendor/{name}"
    return path if path in files() else None


def _file(path: Path) -> File:
    content = path.read_bytes()
    return File(content, _MEDIA_TYPES[path.suffix], f'"{hashlib.sha256(content).hexdigest()[:32]}"')


@functools.cache
def _index() -> bytes:
    return (_WEB / "index.html").read_bytes()
