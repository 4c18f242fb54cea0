"""A credential is found in each documented place, and nowhere else."""

import base64
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from litestar.types import Scope

from api.access.credentials import Authenticator
from api.access.identity import OPEN_ACCESS, Identity
from api.access.session_tokens import SessionTokens
from api.access.signing import SigningKeys
from api.clock import SystemClock
from api.wire.errors import AuthenticationRequiredError, InvalidCredentialsError

ALICE = Identity("alice", frozenset({"record"}))
TOKENS = SessionTokens(SigningKeys(lambda: (b"secret",)), ttl_seconds=60)
SESSION = "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"


INGEST = Identity("phone", frozenset({"ingest"}))
FOUND = {"key": ALICE, "ingest": INGEST, "both": Identity("b", frozenset({"ingest", "record"}))}


class FewKeys:
    """A provider that knows a few keys."""

    async def identify(self, credential: str) -> Identity:
        if credential not in FOUND:
            raise InvalidCredentialsError
        return FOUND[credential]


def scope(
    kind: str = "http",
    query: str = "",
    offered: tuple[str, ...] = (),
    path_token: str = "",
    **headers: str,
) -> Scope:
    found: dict[str, Any] = {
        "type": kind,
        "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()],
        "query_string": query.encode(),
        "subprotocols": list(offered),
        "path_params": {"token": path_token} if path_token else {},
    }
    return cast("Scope", found)


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def authenticator() -> Authenticator:
    return Authenticator(FewKeys(), TOKENS, SystemClock())


@pytest.mark.parametrize(
    "request_scope",
    [
        scope(authorization="Bearer key"),
        scope(authorization="bearer  key "),
        scope(x_api_key="key"),
        scope("websocket", x_api_key="key"),
        scope("websocket", offered=("bearer", "key")),
        scope(authorization=basic("any name:key")),
        scope("websocket", authorization=basic(":key")),
        scope(authorization=basic("of:a proxy"), x_api_key="key"),
    ],
)
async def test_a_key_is_accepted_in_a_header_or_a_subprotocol(request_scope: Scope) -> None:
    assert await authenticator().identify(request_scope) == ALICE


@pytest.mark.parametrize(
    "request_scope",
    [
        scope(),
        scope(authorization="Digest key"),
        scope("websocket", offered=("key", "bearer")),
        scope("websocket", offered=("bearer",)),
        scope(query="key=key"),
    ],
)
async def test_another_place_is_no_credential(request_scope: Scope) -> None:
    with pytest.raises(AuthenticationRequiredError):
        await authenticator().identify(request_scope)


async def test_the_query_takes_session_tokens_only() -> None:
    maker = Identity("alice", frozenset({"read"}))
    token = TOKENS.make(SESSION, "alice", "read", maker, datetime.now(UTC)).token
    identity = await authenticator().identify(scope(query=f"a=1&token={token}"))
    assert (identity.user, identity.session_id) == ("alice", SESSION)
    with pytest.raises(InvalidCredentialsError):
        await authenticator().identify(scope(query="token=key"))


@pytest.mark.parametrize(
    "request_scope",
    [scope("websocket", path_token="ingest"), scope("websocket", query="token=ingest")],
)
async def test_a_url_takes_ingest_tokens(request_scope: Scope) -> None:
    assert await authenticator().identify(request_scope) == INGEST


@pytest.mark.parametrize("key", ["key", "both"])
async def test_no_other_key_is_taken_in_a_url_or_a_message(key: str) -> None:
    with pytest.raises(InvalidCredentialsError):
        await authenticator().identify(scope("websocket", path_token=key))
    with pytest.raises(InvalidCredentialsError):
        await authenticator().identify_token(key)


@pytest.mark.parametrize("shown", ["Basic ***", "Basic /w==", basic("no colon"), basic("name:x")])
async def test_a_bad_password_is_refused(shown: str) -> None:
    with pytest.raises((InvalidCredentialsError, AuthenticationRequiredError)):
        await authenticator().identify(scope(authorization=shown))


async def test_a_very_long_credential_is_refused_unread() -> None:
    with pytest.raises(InvalidCredentialsError):
        await authenticator().identify(scope(x_api_key="key" + " " * 9000 + "x"))


async def test_without_a_provider_every_caller_has_all_scopes() -> None:
    open_service = Authenticator(None, TOKENS, SystemClock())
    assert await open_service.identify(scope(x_api_key="any")) is OPEN_ACCESS
