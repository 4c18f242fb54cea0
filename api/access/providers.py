"""The provider of identities that AUTH_MODE selects.

Only a service that checks tokens loads the libraries for them: they take a quarter of its start.
"""

# ruff: noqa: PLC0415 - see above

from pathlib import Path

from api.access.api_keys import ApiKeys
from api.access.credentials import Provider
from api.access.settings import AccessSettings
from api.clock import Clock


def create_provider(settings: AccessSettings, clock: Clock) -> Provider | None:
    """Return the provider; None if authentication is off. Raises `ApiKeysError`."""
    if settings.auth_mode == "api_key":
        return ApiKeys(settings.api_keys, settings.api_keys_file)
    if settings.auth_mode == "jwt":
        return _bearer_tokens(settings, clock)
    return None


def _bearer_tokens(settings: AccessSettings, clock: Clock) -> Provider:
    from api.access.bearer import BearerTokens, shared_secret
    from api.access.key_sets import ALGORITHMS, KeyFile, KeyUrl

    algorithms: tuple[str, ...] = ALGORITHMS
    if settings.jwt_secret:
        find, algorithms = shared_secret(settings.jwt_secret), ("HS256",)
    elif settings.jwt_jwks.startswith(("https://", "http://")):
        find = KeyUrl(settings.jwt_jwks, clock).find
    else:
        find = KeyFile(Path(settings.jwt_jwks)).find
    return BearerTokens(
        find, algorithms, issuer=settings.jwt_issuer, audience=settings.jwt_audience
    )
