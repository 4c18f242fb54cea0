"""What the handlers of all endpoints take: requests, and components of the application."""

from typing import Any, TypeAlias, TypeVar

from litestar import Request
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from api.access.identity import Caller, Identity
from api.settings import Settings

T = TypeVar("T")

HttpRequest = Request[Caller, Any, Any]

# ``registry: Injected[Registry]`` asks for a component of the composition root. Checking its
# type at every request would find nothing, and protocols cannot be checked that way.
Injected: TypeAlias = NamedDependency[SkipValidation[T]]


def identity_of(request: HttpRequest) -> Identity:
    """Return the identity that the guard has admitted."""
    assert request.user.identity is not None
    return request.user.identity


def base_url(request: HttpRequest, settings: Settings) -> str:
    """Return the address under which clients reach the service, without a slash at its end."""
    return (settings.public_url or str(request.base_url)).rstrip("/")
