"""Whatever is wrong with a JSON Web Token, the caller's credentials are not valid."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest

from api.access.web_tokens import claims_of, expiry_of, header_of
from api.wire.errors import CredentialsExpiredError, InvalidCredentialsError

KEY = b"k" * 32


def token(**claims: Any) -> str:
    return jwt.encode(claims, KEY, algorithm="HS256")


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_the_claims_of_a_signed_token_are_returned() -> None:
    signed = token(sub="alice")
    assert header_of(signed)["alg"] == "HS256"
    assert claims_of(signed, KEY, "HS256") == {"sub": "alice"}


def test_an_expired_token_is_told_apart() -> None:
    with pytest.raises(CredentialsExpiredError):
        claims_of(token(exp=1), KEY, "HS256")


@pytest.mark.parametrize(
    "text",
    ["", ".", "a.b.c", "é.é.é", f"{part([])}.{part({})}.", f"{part({'alg': 5})}.{part({})}.x"],
)
def test_text_that_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(InvalidCredentialsError):
        header_of(text)
        claims_of(text, KEY, "HS256")


def test_another_key_or_algorithm_is_refused() -> None:
    with pytest.raises(InvalidCredentialsError):
        claims_of(token(sub="alice"), b"x" * 32, "HS256")
    with pytest.raises(InvalidCredentialsError):
        claims_of(token(sub="alice"), KEY, "HS512")


@pytest.mark.parametrize("exp", [1e300, "soon", None, [], {}])
def test_a_time_that_is_none_is_refused(exp: object) -> None:
    assert expiry_of({"exp": 86400}) == datetime(1970, 1, 2, tzinfo=UTC)
    with pytest.raises(InvalidCredentialsError):
        expiry_of({"exp": exp})
