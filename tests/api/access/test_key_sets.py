"""The keys of an identity provider check exactly the tokens that they are made for."""

import asyncio
import base64
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from api.access.bearer import BearerTokens
from api.access.key_sets import ALGORITHMS, KeyFile, KeyUrl
from api.wire.errors import AuthenticationUnavailableError, InvalidCredentialsError
from tests.api.access.test_bearer import claims
from tests.conftest import ManualClock

RSA = rsa.generate_private_key(65537, 2048)
OTHER_RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
EC_384 = ec.generate_private_key(ec.SECP384R1())


def jwk(key: Any, key_id: str) -> dict[str, Any]:
    algorithm = (
        jwt.algorithms.RSAAlgorithm if key in {RSA, OTHER_RSA} else jwt.algorithms.ECAlgorithm
    )
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
        self.answering = threading.Event()
        self.answering.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/jwks.json"


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Provider)
        self.server.asked += 1
        assert self.server.answering.wait(30)
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


def by_keys(source: KeyUrl | KeyFile) -> BearerTokens:
    return BearerTokens(source.find, ALGORITHMS, issuer="https://id.example", audience="recorder")


def write(path: Path, *keys: dict[str, Any]) -> None:
    path.write_text(json.dumps({"keys": keys}))


async def test_a_change_of_the_key_file_takes_effect_at_once(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    write(path, jwk(RSA, "one"), jwk(EC, "two"))
    tokens = by_keys(KeyFile(path))
    assert (await tokens.identify(signed(RSA, "one"))).user == "alice"
    assert (await tokens.identify(signed(EC, "two"))).user == "alice"
    write(path, jwk(OTHER_RSA, "one"))
    for gone in (signed(RSA, "one"), signed(EC, "two")):
        with pytest.raises(InvalidCredentialsError):
            await tokens.identify(gone)
    path.write_text("half a fi")
    assert (await tokens.identify(signed(OTHER_RSA, "one"))).user == "alice"
    path.unlink()
    with pytest.raises(AuthenticationUnavailableError):
        await tokens.identify(signed(OTHER_RSA, "one"))
    write(path, jwk(OTHER_RSA, "one"))
    assert (await tokens.identify(signed(OTHER_RSA, "one"))).user == "alice"


OCT = {"kty": "oct", "kid": "oct", "k": base64.urlsafe_b64encode(b"s" * 32).decode()}
DAMAGED: list[Any] = [
    {},
    7,
    None,
    {"kty": "RSA", "kid": "bad", "n": "AQAB"},
    {"kty": "RSA", "kid": "bad", "n": "!", "e": "!"},
    {"kty": "EC", "kid": "bad", "crv": "P-256", "x": "AA", "y": "AA"},
    {**jwk(RSA, "bad"), "alg": "ES256"},
    {**jwk(RSA, "bad"), "kid": {"a": []}},
    {**jwk(RSA, "bad"), "use": "enc"},
]


async def test_a_token_is_refused_if_its_algorithm_is_not_that_of_the_key_it_names(
    tmp_path: Path,
) -> None:
    path = tmp_path / "jwks.json"
    write(path, jwk(RSA, "rsa"), jwk(EC, "ec"), jwk(EC_384, "384"), OCT, *DAMAGED)
    tokens = by_keys(KeyFile(path))
    assert (await tokens.identify(signed(RSA, "rsa"))).user == "alice"
    assert (await tokens.identify(signed(EC, "ec"))).user == "alice"
    refused = [
        *(signed(RSA, kid) for kid in ("ec", "384", "oct", "bad", "", None)),
        *(signed(EC, kid) for kid in ("rsa", "384", "oct", "bad", "", None)),
        jwt.encode(claims(), EC_384, "ES384", headers={"kid": "384"}),
        jwt.encode(claims(), b"s" * 32, "HS256", headers={"kid": "oct"}),
        jwt.encode(claims(), RSA, "PS256", headers={"kid": "rsa"}),
        jwt.encode(claims(), RSA, "RS512", headers={"kid": "rsa"}),
    ]
    for shown in refused:
        with pytest.raises(InvalidCredentialsError):
            await tokens.identify(shown)


async def test_a_set_that_holds_the_private_key_checks_signatures(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    write(path, jwt.algorithms.RSAAlgorithm.to_jwk(RSA, as_dict=True))
    assert (await by_keys(KeyFile(path)).identify(signed(RSA, None))).user == "alice"


async def test_known_keys_are_used_while_an_unknown_one_is_fetched(
    provider: Provider, clock: ManualClock
) -> None:
    tokens = by_keys(KeyUrl(provider.url, clock))
    await tokens.identify(signed(RSA, "one"))
    clock.seconds += 301
    provider.answering.clear()
    waiting = [asyncio.create_task(tokens.identify(signed(OTHER_RSA, "unknown"))) for _ in range(3)]
    while provider.asked < 2:
        await asyncio.sleep(0.001)
    assert (await tokens.identify(signed(RSA, "one"))).user == "alice"
    assert not any(task.done() for task in waiting)
    provider.keys.append(jwk(OTHER_RSA, "unknown"))
    provider.answering.set()
    assert [identity.user for identity in await asyncio.gather(*waiting)] == ["alice"] * 3
    assert provider.asked == 2


async def test_a_key_that_the_provider_has_removed_is_refused_after_twice_the_interval(
    provider: Provider, clock: ManualClock
) -> None:
    tokens = by_keys(KeyUrl(provider.url, clock))
    await tokens.identify(signed(RSA, "one"))
    provider.keys[:] = [jwk(OTHER_RSA, "two")]
    clock.seconds += 601
    with pytest.raises(InvalidCredentialsError):
        await tokens.identify(signed(RSA, "one"))


async def test_a_key_set_is_read_to_its_end(provider: Provider, clock: ManualClock) -> None:
    provider.keys[:0] = [jwk(OTHER_RSA, str(number)) for number in range(500)]
    assert (await by_keys(KeyUrl(provider.url, clock)).identify(signed(RSA, "one"))).user == "alice"


async def test_an_unknown_key_id_fetches_the_keys_at_most_once_per_interval(
    provider: Provider, clock: ManualClock
) -> None:
    tokens = by_keys(KeyUrl(provider.url, clock))
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
    tokens = by_keys(KeyUrl(provider.url, clock))
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
    tokens = by_keys(KeyUrl(provider.url, clock))
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
        await by_keys(KeyUrl(provider.url, clock)).identify((message + b"." + signature).decode())
