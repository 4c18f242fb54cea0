"""What the HTTP handlers share."""

from typing import Any

from litestar import Request

from api.access.identity import Caller, Identity
from api.settings import Settings
from api.wire.errors import (
    AuthenticationRequiredError,
    AuthenticationUnavailableError,
    CredentialsExpiredError,
    InvalidCredentialsError,
    NotAllowedError,
    SessionNotFoundError,
)
from api.wire.openapi import EXAMPLE_ID
from storage.errors import StorageUnavailableError

HttpRequest = Request[Caller, Any, Any]

# Errors that any endpoint may answer with, and those of a session, for the OpenAPI document.
EVERYWHERE = (
    AuthenticationRequiredError(),
    InvalidCredentialsError(),
    CredentialsExpiredError(),
    NotAllowedError("this takes the scope read"),
    AuthenticationUnavailableError(),
    StorageUnavailableError(),
)
OF_A_SESSION = (SessionNotFoundError(EXAMPLE_ID), *EVERYWHERE)


def identity_of(request: HttpRequest) -> Identity:
    """Whom the guard let in."""
    assert request.user.identity is not None
    return request.user.identity


def base_url(request: HttpRequest, settings: Settings) -> str:
    """The address under which clients reach the service, without a slash at its end."""
    return (settings.public_url or str(request.base_url)).rstrip("/")
