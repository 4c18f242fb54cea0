"""The files that browsers load: of the page, of the JavaScript client, and third-party files.

They are in ``web`` and ``clients/js`` and are served unchanged. ``make assets`` and the build of
the image copy pinned third-party files to ``web/vendor``.
"""

import functools
import hashlib
from pathlib import Path
from typing import NamedTuple

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
    return {path: _file(source) for path, source in found.items()}


def vendored(name: str) -> str | None:
    """Return the path of a third-party file; None if it is not in ``web/vendor``."""
    path = f"/vendor/{name}"
    return path if path in files() else None


def _file(path: Path) -> File:
    content = path.read_bytes()
    return File(content, _MEDIA_TYPES[path.suffix], f'"{hashlib.sha256(content).hexdigest()[:32]}"')


@functools.cache
def document(name: str) -> bytes:
    """Return the HTML of a page."""
    return (_WEB / name).read_bytes()
