"""Bearer tokens are valid only if the provider signed them, for this service, and in time."""

import base64
import http.server
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from api.access.bearer import BearerTokens, KeySet, shared_secret
from api.access.identity import Identity
from api.wire.errors import (
    AuthenticationUnavailableError,
    CredentialsExpiredError,
    InvalidCredentialsError,
)
from tests.conftest import ManualClock

SECRET = "a secret of thirty-two characters"
RSA = rsa.generate_private_key(65537, 2048)
OTHER_RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())


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
        shared_secret(SECRET), ["HS256"], issuer="https://id.example", audience="recorder"
    )


async def test_the_subject_of_a_token_is_the_user_and_its_scope_limits_the_user(
    by_secret: BearerTokens,
) -> None:
    identity = await by_secret.identify(hs256())
    assert identity == Identity("alice", frozenset({"record", "read"}))
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


def jwk(key: Any, key_id: str) -> dict[str, Any]:
    algorithm = jwt.algorithms.ECAlgorithm if key is EC else jwt.algorithms.RSAAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": key_id, "use": "sig"}


def signed(key: Any, key_id: str | None) -> str:
    headers = {"kid": key_id} if key_id else {}
    return jwt.encode(claims(), key, "ES256" if key is EC else "RS256", headers=headers)


class Provider(http.server.ThreadingHTTPServer):
    """An identity provider that serves ``keys`` and counts the requests in ``asked``."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.keys: list[dict[str, Any]] = [jwk(RSA, "one")]
        self.status = 200
        self.asked = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/jwks.json"


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Provider)
        self.server.asked += 1
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(json.dumps({"keys": self.server.keys}).encode())

    def log_message(self, *_: Any) -> None:
        """Discard the access log."""


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as provider:
        thread = threading.Thread(target=provider.serve_forever)
        thread.start()
        yield provider
        provider.shutdown()
        thread.join()


def by_keys(source: str, clock: ManualClock) -> BearerTokens:
    return BearerTokens(
        KeySet(source, clock).find,
        ["RS256", "ES256"],
        issuer="https://id.example",
        audience="recorder",
    )


async def test_the_service_reads_keys_from_a_file_and_reads_it_again(
    tmp_path: Path, clock: ManualClock
) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [jwk(RSA, "one"), jwk(EC, "two")]}))
    tokens = by_keys(str(path), clock)
    assert (await tokens.identify(signed(RSA, "one"))).user == "alice"
    assert (await tokens.identify(signed(EC, "two"))).user == "alice"
    path.write_text(json.dumps({"keys": [jwk(OTHER_RSA, "one")]}))
    clock.seconds += 301
    with pytest.raises(InvalidCredentialsError):
        await tokens.identify(signed(RSA, "one"))


async def test_an_unknown_key_id_fetches_the_keys_at_most_once_per_interval(
    provider: Provider, clock: ManualClock
) -> None:
    tokens = by_keys(provider.url, clock)
    for _ in range(5):
        await tokens.identify(signed(RSA, "one"))
    assert provider.asked == 1
    clock.seconds += 11
    for number in range(20):
        with pytest.raises(InvalidCredentialsError):
            await tokens.identify(signed(OTHER_RSA, f"made up {number}"))
    assert provider.asked == 2
    provider.keys.append(jwk(OTHER_RSA, "new"))
    clock.seconds += 11
    assert (await tokens.identify(signed(OTHER_RSA, "new"))).user == "alice"
    assert provider.asked == 3


async def test_known_keys_stay_valid_while_the_provider_is_down(
    provider: Provider, clock: ManualClock
) -> None:
    tokens = by_keys(provider.url, clock)
    provider.status = 500
    with pytest.raises(AuthenticationUnavailableError):
        await tokens.identify(signed(RSA, "one"))
    provider.status = 200
    clock.seconds += 11
    await tokens.identify(signed(RSA, "one"))
    provider.status = 500
    clock.seconds += 1000
    assert (await tokens.identify(signed(RSA, "one"))).user == "alice"


async def test_a_token_without_a_key_id_is_checked_if_there_is_only_one_key(
    provider: Provider, clock: ManualClock
) -> None:
    tokens = by_keys(provider.url, clock)
    assert (await tokens.identify(signed(RSA, None))).user == "alice"
    with pytest.raises(InvalidCredentialsError):
        await tokens.identify(signed(OTHER_RSA, None))


async def test_a_token_signed_with_the_public_key_as_secret_is_refused(
    provider: Provider, clock: ManualClock
) -> None:
    public = RSA.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    # PyJWT refuses to use a public key as an HMAC secret.
    parts = [
        base64.urlsafe_b64encode(json.dumps(part, default=lambda at: int(at.timestamp())).encode())
        for part in ({"alg": "HS256", "typ": "JWT", "kid": "one"}, claims())
    ]
    message = b".".join(part.rstrip(b"=") for part in parts)
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = base64.urlsafe_b64encode(algorithm.sign(message, public)).rstrip(b"=")
    with pytest.raises(InvalidCredentialsError):
        await by_keys(provider.url, clock).identify((message + b"." + signature).decode())
