"""Requests of the S3 API as a proxy sees them."""

from collections.abc import Callable
from urllib.parse import parse_qs

import msgspec


class Request(msgspec.Struct, frozen=True):
    """One received request; ``number`` counts from 1. Names of headers are in lower case."""

    number: int
    method: str
    path: str
    query: str
    headers: dict[str, str] = {}

    @property
    def operation(self) -> str:
        """The name of the S3 operation, of those that this project uses."""
        return _operation(self.method, set(parse_qs(self.query, keep_blank_values=True)))

    @property
    def checksums(self) -> set[str]:
        """The headers with a checksum of the body."""
        kinds = ("content-md5", "x-amz-checksum-", "x-amz-trailer")
        return {name for name in self.headers if name.startswith(kinds)}


Match = Callable[[Request], bool]


def is_a(operation: str, path_ends: str = "", path_has: str = "") -> Match:
    """Return a match for requests of one operation, limited by the end and a part of the path."""
    return lambda request: (
        request.operation == operation
        and request.path.endswith(path_ends)
        and path_has in request.path
    )


def _operation(method: str, names: set[str]) -> str:
    match method:
        case "PUT":
            return "UploadPart" if "partNumber" in names else "PutObject"
        case "POST":
            by_name = {"delete": "DeleteObjects", "uploads": "CreateMultipartUpload"}
            found = (by_name[name] for name in names if name in by_name)
            return next(found, "CompleteMultipartUpload")
        case "DELETE":
            return "AbortMultipartUpload" if "uploadId" in names else "DeleteObject"
        case "HEAD":
            return "HeadObject"
    by_name = {"uploads": "ListMultipartUploads", "uploadId": "ListParts", "list-type": "List"}
    return next((by_name[name] for name in names if name in by_name), "GetObject")
