"""Bearer tokens are valid only if the provider signed them, for this service, and in time."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from api.access.bearer import BearerTokens, shared_secret
from api.access.identity import Identity, Scope
from api.wire.errors import CredentialsExpiredError, InvalidCredentialsError

SECRET = "a secret of thirty-two characters"


def claims(**changes: Any) -> dict[str, Any]:
    """Return the claims of a valid token with ``changes``; None leaves a claim out."""
    good = {
        "sub": "alice",
        "iss": "https://id.example",
        "aud": "recorder",
        "exp": datetime.now(UTC) + timedelta(days=1),
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def hs256(secret: str = SECRET, **changes: Any) -> str:
    return jwt.encode(claims(**changes), secret, "HS256")


@pytest.fixture
def by_secret() -> BearerTokens:
    return BearerTokens(
        shared_secret(SECRET), ("HS256",), issuer="https://id.example", audience="recorder"
    )


async def test_the_subject_of_a_token_is_the_user_and_its_scope_limits_the_user(
    by_secret: BearerTokens,
) -> None:
    expires_at = datetime(2100, 1, 1, tzinfo=UTC)
    identity = await by_secret.identify(hs256(exp=expires_at))
    scopes: frozenset[Scope] = frozenset({"record", "read"})
    assert identity == Identity("alice", scopes, expires_at=expires_at)
    named = await by_secret.identify(hs256(scope="openid read admin.not"))
    assert named.scopes == {"read"}
    assert (await by_secret.identify(hs256(scope=""))).scopes == frozenset()


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://other.example"},
        {"iss": None},
        {"aud": "another service"},
        {"aud": None},
        {"exp": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "a\nb"},
        {"nbf": datetime.now(UTC) + timedelta(days=1)},
        {"secret": "another secret of some characters"},
    ],
    ids="-".join,  # of the claims that differ
)
async def test_a_token_with_a_wrong_claim_or_signature_is_refused(
    by_secret: BearerTokens, changes: dict[str, Any]
) -> None:
    with pytest.raises(InvalidCredentialsError):
        await by_secret.identify(hs256(**changes))


async def test_an_expired_token_has_an_error_of_its_own(by_secret: BearerTokens) -> None:
    with pytest.raises(CredentialsExpiredError):
        await by_secret.identify(hs256(exp=datetime.now(UTC) - timedelta(minutes=1)))


@pytest.mark.parametrize("shown", ["", "x", "a.b.c", "a" * 5000])
async def test_text_that_is_not_a_token_is_refused(by_secret: BearerTokens, shown: str) -> None:
    with pytest.raises(InvalidCredentialsError):
        await by_secret.identify(shown)


async def test_an_unsigned_token_is_refused(by_secret: BearerTokens) -> None:
    with pytest.raises(InvalidCredentialsError):
        await by_secret.identify(jwt.encode(claims(), "", "none"))


def raw(header: str, payload: str, secret: str = SECRET) -> str:
    """Return a token with a valid signature over any JSON."""
    parts = [base64.urlsafe_b64encode(part.encode()).rstrip(b"=") for part in (header, payload)]
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = algorithm.sign(b".".join(parts), secret.encode())
    parts.append(base64.urlsafe_b64encode(signature).rstrip(b"="))
    return b".".join(parts).decode()


def complete(**changes: Any) -> str:
    """Return all claims of a valid token as JSON, with ``changes``."""
    return json.dumps(claims() | {"exp": 9999999999} | changes)


HEADER = '{"alg": "HS256"}'
NESTED = "[" * 1500 + "]" * 1500


@pytest.mark.parametrize(
    ("header", "payload"),
    [
        ('{"alg": ["HS256"]}', "{}"),
        ('{"alg": {"a": 1}}', "{}"),
        ('{"alg": "HS256", "kid": {}}', "{}"),
        ('{"alg": "HS256", "kid": ["a"]}', "{}"),
        ('{"alg": "HS256", "typ": {}}', "{}"),
        ('{"alg": "HS256", "crit": ["x"], "x": 1}', "{}"),
        (f'{{"alg": "HS256", "a": {NESTED}}}', "{}"),
        ("[]", "{}"),
        ("7", "{}"),
        (HEADER, NESTED),
        (HEADER, f'{{"a": {NESTED}}}'),
        (HEADER, "[]"),
        (HEADER, '{"exp": Infinity}'),
        (HEADER, complete(exp=10**400)),
        (HEADER, complete(exp=10**12)),
        (HEADER, '{"exp": NaN}'),
        (HEADER, '{"exp": 1e999}'),
        (HEADER, '{"exp": "soon"}'),
        (HEADER, '{"exp": {}}'),
        (HEADER, '{"exp": 9999999999, "nbf": Infinity}'),
        (HEADER, '{"exp": 9999999999, "iat": []}'),
        (HEADER, '{"exp": 9999999999, "iss": {}, "aud": 7, "sub": []}'),
    ],
)
async def test_a_malformed_token_is_refused_and_is_no_error_of_the_service(
    by_secret: BearerTokens, header: str, payload: str
) -> None:
    with pytest.raises(InvalidCredentialsError):
        await by_secret.identify(raw(header, payload))
