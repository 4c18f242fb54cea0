"""An expired token is replaced once, however many requests notice it."""

import asyncio

import pytest

from sercuescribe_client.credentials import Credentials
from sercuescribe_client.errors import InvalidCredentialsError


def test_a_secret_is_sent_as_a_bearer_token() -> None:
    assert Credentials("abc").headers == {"Authorization": "Bearer abc"}
    assert Credentials(None).headers == Credentials("").headers == {}


async def test_concurrent_callers_refresh_an_expired_token_once() -> None:
    calls = 0

    async def refresh() -> str:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0)
        return f"token-{calls}"

    credentials = Credentials("old", refresh)
    expired = credentials.headers
    assert all(await asyncio.gather(*(credentials.renew(expired) for _ in range(3))))
    assert credentials.headers == {"Authorization": "Bearer token-1"}
    assert await credentials.renew(credentials.headers)
    assert credentials.headers == {"Authorization": "Bearer token-2"}


async def test_without_a_refresh_function_nothing_is_replaced() -> None:
    credentials = Credentials("old")
    assert not await credentials.renew(credentials.headers)
    assert credentials.headers == {"Authorization": "Bearer old"}


@pytest.mark.parametrize(
    "secret", ["k\u00e9y", "key\n", "a key"], ids=["not ASCII", "line break", "space"]
)
async def test_a_secret_that_no_header_can_carry_is_refused_before_it_is_sent(secret: str) -> None:
    with pytest.raises(InvalidCredentialsError, match="copy it again"):
        Credentials(secret)

    async def refresh() -> str:
        return secret

    credentials = Credentials("old", refresh)
    with pytest.raises(InvalidCredentialsError):
        await credentials.renew(credentials.headers)
