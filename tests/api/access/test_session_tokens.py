"""A session token is valid for one session, and for a limited time."""

from datetime import UTC, datetime, timedelta

import jwt
import pytest

from api.access.identity import Identity, Scope
from api.access.session_tokens import SessionTokens, TokenScope
from api.access.signing import SigningKeys
from api.wire.errors import CredentialsExpiredError, InvalidCredentialsError, NotAllowedError

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SESSION = "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"


ALICE = Identity("alice", frozenset({"record", "read"}))


def tokens(*secrets: bytes) -> SessionTokens:
    return SessionTokens(SigningKeys(lambda: secrets), ttl_seconds=60)


def test_a_token_identifies_its_session_user_and_scopes() -> None:
    made = tokens(b"secret").make(SESSION, "alice", "record", ALICE, NOW)
    assert made.expires_at == NOW + timedelta(seconds=60)
    identity = tokens(b"secret").identify(made.token, NOW)
    assert identity == Identity("alice", ALICE.scopes, SESSION, made.expires_at)
    reading = tokens(b"secret").make(SESSION, None, "read", ALICE, NOW)
    identity = tokens(b"secret").identify(reading.token, NOW)
    assert identity == Identity(None, frozenset({"read"}), SESSION, reading.expires_at)


@pytest.mark.parametrize(
    ("makers", "asked", "granted"),
    [
        ({"record"}, "record", {"record"}),
        ({"read"}, "read", {"read"}),
        ({"record", "read"}, "record", {"record", "read"}),
        ({"record", "read"}, "read", {"read"}),
        ({"admin"}, "record", {"record", "read"}),
        ({"read"}, "record", None),
        ({"record"}, "read", None),
        (set(), "read", None),
    ],
)
def test_a_token_has_no_scope_that_its_maker_does_not_have(
    makers: set[Scope], asked: TokenScope, granted: set[Scope] | None
) -> None:
    maker = Identity("alice", frozenset(makers))
    if granted is None:
        with pytest.raises(NotAllowedError):
            tokens(b"secret").make(SESSION, "alice", asked, maker, NOW)
        return
    made = tokens(b"secret").make(SESSION, "alice", asked, maker, NOW)
    identity = tokens(b"secret").identify(made.token, NOW)
    assert identity == Identity("alice", frozenset(granted), SESSION, made.expires_at)


def test_a_token_is_refused_from_its_expiry_on() -> None:
    made = tokens(b"secret").make(SESSION, "alice", "read", ALICE, NOW)
    assert tokens(b"secret").identify(made.token, NOW + timedelta(seconds=59))
    with pytest.raises(CredentialsExpiredError):
        tokens(b"secret").identify(made.token, NOW + timedelta(seconds=60))


def test_a_token_signed_with_a_listed_older_secret_is_accepted() -> None:
    made = tokens(b"old").make(SESSION, "alice", "read", ALICE, NOW)
    assert tokens(b"new", b"old").identify(made.token, NOW)
    with pytest.raises(InvalidCredentialsError):
        tokens(b"new").identify(made.token, NOW)


@pytest.mark.parametrize("part", [1, 2])
def test_an_altered_token_is_refused(part: int) -> None:
    parts = tokens(b"secret").make(SESSION, "alice", "read", ALICE, NOW).token.split(".")
    parts[part] = ("A" if parts[part][0] != "A" else "B") + parts[part][1:]
    with pytest.raises(InvalidCredentialsError):
        tokens(b"secret").identify(".".join(parts), NOW)


def test_a_token_of_another_issuer_is_not_a_session_token() -> None:
    other = jwt.encode({"sub": "alice", "sid": SESSION}, "a secret of thirty-two characters")
    for shown in (other, "", "scribe_key", "a.b.c"):
        assert tokens(b"secret").identify(shown, NOW) is None


def test_a_token_signed_with_the_key_of_another_purpose_is_refused() -> None:
    keys = SigningKeys(lambda: (b"secret",))
    claims = {"sid": SESSION, "sub": "alice", "scope": "record", "exp": NOW + timedelta(hours=1)}
    for key in (b"secret".ljust(32), *keys.for_purpose("download link")):
        forged = jwt.encode(claims, key, "HS256", headers={"typ": "session+jwt"})
        with pytest.raises(InvalidCredentialsError):
            SessionTokens(keys, ttl_seconds=60).identify(forged, NOW)
