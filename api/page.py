"""The JavaScript client, as it lies in ``clients/js``, for pages to import from the service.

It speaks the protocol of just this version. Its modules name each other by relative addresses, so
``/client.js`` is all that a page needs to know.
"""

import functools
import hashlib
from pathlib import Path
from typing import Any, NamedTuple

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.status_codes import HTTP_304_NOT_MODIFIED

from api.ranges import is_match

_FOLDER = Path(__file__).parent.parent / "clients" / "js"
_MEDIA_TYPE = "text/javascript"


class Module(NamedTuple):
    """A JavaScript module as it is served."""

    source: bytes
    etag: str


@get(
    ["/client.js", "/microphone-worklet.js", "/client/{module:str}"],
    include_in_schema=False,
    media_type=_MEDIA_TYPE,
    sync_to_thread=False,
)
def client(request: Request[Any, Any, Any]) -> Response[bytes]:
    """One of the client's modules."""
    module = modules().get(request.url.path)
    if module is None:
        raise NotFoundException
    # An address without a version may mean another text after each deployment.
    headers = {"ETag": module.etag, "Cache-Control": "no-cache"}
    if is_match(request.headers.get("If-None-Match"), module.etag):
        return Response(b"", status_code=HTTP_304_NOT_MODIFIED, headers=headers)
    return Response(module.source, media_type=_MEDIA_TYPE, headers=headers)


@functools.cache
def modules() -> dict[str, Module]:
    """All modules, by the path that each is served at."""
    found = {"/client.js": _FOLDER / "sercuescribe.js"}
    found["/microphone-worklet.js"] = _FOLDER / "microphone-worklet.js"
    found |= {f"/client/{file.name}": file for file in (_FOLDER / "client").glob("*.js")}
    return {path: _module(file.read_bytes()) for path, file in found.items()}


def _module(source: bytes) -> Module:
    return Module(source, f'"{hashlib.sha256(source).hexdigest()[:32]}"')
