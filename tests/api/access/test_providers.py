"""AUTH_MODE selects the provider of identities."""

from datetime import UTC, datetime, timedelta

import jwt
import pytest

from api.access.api_keys import ApiKeysError, key_line, new_key
from api.access.providers import create_provider
from api.access.settings import AccessSettings
from api.clock import SystemClock
from api.wire.errors import InvalidCredentialsError

SECRET = "a-secret-of-the-identity-provider"


@pytest.mark.parametrize("mode", ["", "none"])
def test_without_authentication_there_is_no_provider(mode: str) -> None:
    settings = AccessSettings(auth_mode=mode)  # type: ignore[arg-type]
    assert create_provider(settings, SystemClock()) is None


async def test_api_keys_identify_their_users() -> None:
    key = new_key()
    settings = AccessSettings(auth_mode="api_key", api_keys=key_line(key, "alice", ("read",)))
    provider = create_provider(settings, SystemClock())
    assert provider is not None
    assert (await provider.identify(key)).user == "alice"
    with pytest.raises(InvalidCredentialsError):
        await provider.identify("other")


async def test_tokens_of_the_issuer_identify_their_subjects() -> None:
    settings = AccessSettings(
        auth_mode="jwt", jwt_secret=SECRET, jwt_issuer="issuer", jwt_audience="recorder"
    )
    provider = create_provider(settings, SystemClock())
    assert provider is not None
    claims = {
        "sub": "alice",
        "iss": "issuer",
        "aud": "recorder",
        "exp": datetime.now(UTC) + timedelta(seconds=60),
    }
    assert (await provider.identify(jwt.encode(claims, SECRET, "HS256"))).user == "alice"
    with pytest.raises(InvalidCredentialsError):
        await provider.identify(jwt.encode(claims | {"iss": "other"}, SECRET, "HS256"))


def test_keys_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(ApiKeysError):
        create_provider(AccessSettings(auth_mode="api_key", api_keys="x"), SystemClock())


async def test_a_provider_of_tokens_takes_listed_keys_too() -> None:
    token = new_key(["ingest"])
    settings = AccessSettings(
        auth_mode="jwt",
        jwt_secret=SECRET,
        jwt_issuer="issuer",
        jwt_audience="recorder",
        api_keys=key_line(token, "phone", ("ingest",)),
    )
    provider = create_provider(settings, SystemClock())
    assert provider is not None
    assert (await provider.identify(token)).user == "phone"
    for unknown in (new_key(), new_key(["ingest"]), "other"):
        with pytest.raises(InvalidCredentialsError):
            await provider.identify(unknown)
