"""The provider of identities that the settings name."""

from api.access.api_keys import ApiKeys, ApiKeysError
from api.access.bearer import BearerTokens, KeySet, shared_secret
from api.access.credentials import Provider
from api.clock import Clock
from api.settings import Settings, SettingsError


def create_provider(settings: Settings, clock: Clock) -> Provider | None:
    """None where nobody is asked. Raises :class:`SettingsError`."""
    if settings.auth_mode == "api_key":
        try:
            return ApiKeys(settings.api_keys, settings.api_keys_file)
        except ApiKeysError as error:
            raise SettingsError(f"API_KEYS: {error}") from error
    if settings.auth_mode == "jwt":
        if settings.jwt_secret:
            find_key, algorithms = shared_secret(settings.jwt_secret), ["HS256"]
        else:
            find_key, algorithms = KeySet(settings.jwt_jwks, clock).find, ["RS256", "ES256"]
        return BearerTokens(
            find_key, algorithms, issuer=settings.jwt_issuer, audience=settings.jwt_audience
        )
    return None
