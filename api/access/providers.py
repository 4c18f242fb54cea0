"""The provider of identities that AUTH_MODE selects."""

from api.access.api_keys import ApiKeys
from api.access.bearer import BearerTokens, KeySet, shared_secret
from api.access.credentials import Provider
from api.access.settings import AccessSettings
from api.clock import Clock


def create_provider(settings: AccessSettings, clock: Clock) -> Provider | None:
    """Return the provider; None if authentication is off. Raises `ApiKeysError`."""
    if settings.auth_mode == "api_key":
        return ApiKeys(settings.api_keys, settings.api_keys_file)
    if settings.auth_mode == "jwt":
        if settings.jwt_secret:
            find_key, algorithms = shared_secret(settings.jwt_secret), ["HS256"]
        else:
            find_key, algorithms = KeySet(settings.jwt_jwks, clock).find, ["RS256", "ES256"]
        return BearerTokens(
            find_key, algorithms, issuer=settings.jwt_issuer, audience=settings.jwt_audience
        )
    return None
