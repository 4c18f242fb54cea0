"""Types and helpers of all handlers: requests, and injected components of the application."""

from typing import Any, TypeAlias, TypeVar

import msgspec
from litestar import Request
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from api.access.identity import Caller, Identity
from api.settings import Settings
from api.wire.messages import SessionInfo

T = TypeVar("T")

HttpRequest = Request[Caller, Any, Any]

# ``registry: Injected[Registry]`` injects a component of the composition root. Litestar's type
# check is off: it costs time per request and does not support protocols.
Injected: TypeAlias = NamedDependency[SkipValidation[T]]


def identity_of(request: HttpRequest) -> Identity:
    """Return the identity of the caller, which the guard has checked."""
    assert request.user.identity is not None
    return request.user.identity


def for_caller(info: SessionInfo, identity: Identity) -> SessionInfo:
    """Return ``info``; for callers other than admins without the folder or the bucket.

    Where the service stores recordings helps an attacker, and no other caller can open it.
    """
    if identity.is_admin:
        return info
    return msgspec.structs.replace(info, file_path=f"{info.session_id}.wav")


def base_url(request: HttpRequest, settings: Settings) -> str:
    """Return the URL under which clients reach the service, without a trailing slash."""
    return (settings.public_url or str(request.base_url)).rstrip("/")
