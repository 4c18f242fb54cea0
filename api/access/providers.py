"""The provider of identities that AUTH_MODE selects."""

from pathlib import Path

from api.access.api_keys import ApiKeys
from api.access.bearer import BearerTokens, FindKey, shared_secret
from api.access.credentials import Provider
from api.access.key_sets import ALGORITHMS, KeyFile, KeyUrl
from api.access.settings import AccessSettings
from api.clock import Clock


def create_provider(settings: AccessSettings, clock: Clock) -> Provider | None:
    """Return the provider; None if authentication is off. Raises `ApiKeysError`."""
    if settings.auth_mode == "api_key":
        return ApiKeys(settings.api_keys, settings.api_keys_file)
    if settings.auth_mode == "jwt":
        return BearerTokens(
            _key_finder(settings, clock),
            ("HS256",) if settings.jwt_secret else ALGORITHMS,
            issuer=settings.jwt_issuer,
            audience=settings.jwt_audience,
        )
    return None


def _key_finder(settings: AccessSettings, clock: Clock) -> FindKey:
    if settings.jwt_secret:
        return shared_secret(settings.jwt_secret)
    if settings.jwt_jwks.startswith(("https://", "http://")):
        return KeyUrl(settings.jwt_jwks, clock).find
    return KeyFile(Path(settings.jwt_jwks)).find
