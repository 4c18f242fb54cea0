"""The provider of identities that AUTH_MODE selects.

Only a service that checks tokens loads the libraries for them: they take a quarter of its start.
"""

# ruff: noqa: PLC0415 - see above

from pathlib import Path

from api.access.api_keys import ApiKeys, is_key
from api.access.credentials import Provider
from api.access.identity import Identity
from api.access.settings import AccessSettings
from api.clock import Clock


def create_provider(settings: AccessSettings, clock: Clock) -> Provider | None:
    """Return the provider; None if authentication is off. Raises `ApiKeysError`."""
    if settings.auth_mode == "api_key":
        return ApiKeys(settings.api_keys, settings.api_keys_file)
    if settings.auth_mode == "jwt":
        tokens = _bearer_tokens(settings, clock)
        if not (settings.api_keys or settings.api_keys_file):
            return tokens
        return _KeysAndTokens(ApiKeys(settings.api_keys, settings.api_keys_file), tokens)
    return None


class _KeysAndTokens:
    """API keys beside an identity provider: telephone platforms have no user that could sign in."""

    def __init__(self, keys: ApiKeys, tokens: Provider) -> None:
        self._keys = keys
        self._tokens = tokens

    async def identify(self, credential: str) -> Identity:
        provider = self._keys if is_key(credential) else self._tokens
        return await provider.identify(credential)


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
