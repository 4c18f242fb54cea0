"""Settings of authentication that cannot work together are named."""

import pytest

from api.access.settings import SECRETS, AccessSettings

KEYS = AccessSettings(auth_mode="api_key", api_keys="x")
TOKENS = AccessSettings(auth_mode="jwt", jwt_secret="s", jwt_issuer="i", jwt_audience="a")
SIGNED = AccessSettings(auth_mode="api_key", api_keys="x", signing_secret="s")


@pytest.mark.parametrize(
    ("settings", "is_shared", "missing"),
    [
        (AccessSettings(), True, ""),
        (AccessSettings(auth_mode="none"), True, ""),
        (AccessSettings(auth_mode="api_key"), False, "API_KEYS or API_KEYS_FILE"),
        (AccessSettings(auth_mode="api_key", api_keys_file="f"), False, ""),
        (AccessSettings(auth_mode="jwt"), False, "either JWT_SECRET or JWT_JWKS"),
        (
            AccessSettings(auth_mode="jwt", jwt_secret="s", jwt_jwks="u"),
            False,
            "either JWT_SECRET or JWT_JWKS",
        ),
        (
            AccessSettings(auth_mode="jwt", jwt_jwks="u", jwt_issuer="i"),
            False,
            "JWT_ISSUER and JWT_AUDIENCE",
        ),
        (TOKENS, False, ""),
        (KEYS, False, ""),
        (KEYS, True, "SIGNING_SECRET with a bucket"),
        (SIGNED, True, ""),
    ],
)
def test_the_variables_that_auth_mode_requires_are_named(
    settings: AccessSettings, is_shared: bool, missing: str
) -> None:
    assert settings.missing_access_settings(is_shared=is_shared) == missing


def test_allowed_origins_are_separated_by_commas() -> None:
    settings = AccessSettings(allowed_origins="https://a.example, https://b.example")
    assert settings.listed_origins == ["https://a.example", "https://b.example"]
    assert AccessSettings().listed_origins == []


def test_every_secret_is_a_setting() -> None:
    assert set(AccessSettings.__struct_fields__) > SECRETS
