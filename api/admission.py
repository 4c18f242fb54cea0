"""Builds from the settings what admits requests: secrets, credentials, middleware and CORS."""

from litestar.config.cors import CORSConfig
from litestar.types import Middleware

from api.access.api_keys import ApiKeysError
from api.access.call_signatures import CallSignatures
from api.access.credentials import Authenticator, Provider
from api.access.hosts import AllowedHosts
from api.access.middleware import AuthMiddleware
from api.access.origins import AllowedOrigins
from api.access.providers import create_provider
from api.access.rate_limits import creation_limit, handshake_limit
from api.access.signing import check_stored_secret, stored_secret
from api.clock import Clock
from api.observe.requests import REQUEST_ID_HEADER
from api.routes import docs
from api.settings import Settings, SettingsError
from api.workers.limits import Limits

_SIGNING_FILE = ".signing-key"


def check_secret(settings: Settings) -> None:
    """Raise `SettingsError` if the stored secret that signs is too short, or cannot be read."""
    try:
        if not settings.signing_secret:
            check_stored_secret(settings.storage_folder / _SIGNING_FILE)
    except (OSError, ValueError) as error:
        raise SettingsError(str(error)) from error


def secrets(settings: Settings) -> tuple[bytes, ...]:
    """Return the secret that signs, then the previous secret if it is still accepted."""
    if settings.signing_secrets:
        return settings.signing_secrets
    stored = stored_secret(settings.storage_folder / _SIGNING_FILE)
    previous = settings.signing_secret_previous.encode()
    return (stored, previous) if previous else (stored,)


def provider(settings: Settings, clock: Clock) -> Provider | None:
    """Return what knows the keys and tokens of callers; None if authentication is off.

    Raises `SettingsError`.
    """
    try:
        return create_provider(settings, clock)
    except ApiKeysError as error:
        raise SettingsError(f"API_KEYS: {error}") from error


def call_signatures(settings: Settings, clock: Clock) -> CallSignatures:
    """Return what checks the signatures of telephone platforms. Raises `SettingsError`."""
    is_set = settings.twilio_auth_token or settings.genesys_client_secret
    if is_set and not settings.public_url:
        raise SettingsError("TWILIO_AUTH_TOKEN and GENESYS_CLIENT_SECRET need PUBLIC_URL")
    try:
        return CallSignatures(
            settings.public_url,
            clock,
            twilio_token=settings.twilio_auth_token,
            genesys_secret=settings.genesys_client_secret,
        )
    except ValueError as error:
        raise SettingsError(str(error)) from error


def middleware(
    settings: Settings, origins: AllowedOrigins, authenticator: Authenticator, limits: Limits
) -> list[Middleware]:
    """Return the middleware of every request, outermost first."""
    hosts = AllowedHosts(settings.listed_hosts, (settings.public_url, settings.node_url))
    layers: list[Middleware] = [
        AuthMiddleware(
            authenticator,
            origins=origins,
            hosts=None if settings.requires_credentials else hosts,
            pages=docs.content_policies(),
        )
    ]
    if settings.max_handshakes_per_minute:
        layers.append(handshake_limit(limits, settings.max_handshakes_per_minute))
    if settings.max_new_sessions_per_minute:
        layers.append(creation_limit(limits, settings.max_new_sessions_per_minute))
    return layers


def cors(origins: AllowedOrigins) -> CORSConfig:
    """Return the CORS settings for ``origins``.

    Pages send credentials in headers, never in cookies, so ``allow_credentials`` stays off.
    """
    return CORSConfig(
        allow_origins=["*"] if origins.allows_all else [],
        allow_origin_regex=origins.pattern,
        allow_headers=["Authorization", "X-API-Key", "Content-Type", "Range", "If-Range"],
        expose_headers=[
            "Accept-Ranges",
            "Content-Range",
            "Content-Disposition",
            "ETag",
            REQUEST_ID_HEADER,
        ],
    )
