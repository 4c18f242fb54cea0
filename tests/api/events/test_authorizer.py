"""AUTHORIZE_URL decides whether a session is created."""

import json

import pytest
from standardwebhooks.webhooks import Webhook

from api.clock import SystemClock
from api.events.authorizer import SessionAuthorizer
from api.events.endpoint import parse_secrets
from api.events.sender import HttpSender
from api.session.parameters import AudioParameters
from api.wire.errors import AuthorizationUnavailableError, NotAllowedError
from tests.webhook_receiver import SECRET, WebhookReceiver

AUDIO = AudioParameters(sample_rate=16000, channels=1, format="wav")


def authorizer(url: str, sender: HttpSender, timeout_seconds: float = 10) -> SessionAuthorizer:
    keys = parse_secrets(SECRET)
    return SessionAuthorizer(url, keys, sender, SystemClock(), timeout_seconds=timeout_seconds)


async def check(to_check: SessionAuthorizer) -> None:
    await to_check.check("alice", "10.0.0.1", AUDIO)


async def test_the_receiver_gets_a_signed_question_with_the_caller_and_the_parameters(
    receiver: WebhookReceiver, sender: HttpSender
) -> None:
    await check(authorizer(receiver.url, sender))
    assert receiver.requests[0].body == {
        "user_id": "alice",
        "client": "10.0.0.1",
        "sample_rate": 16000,
        "channels": 1,
        "format": "wav",
    }
    headers = receiver.requests[0].headers  # the receiver has checked the signature
    with pytest.raises(Exception, match="signature"):
        Webhook(SECRET).verify(json.dumps({"user_id": "eve"}), headers)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 429])
async def test_4xx_refuses_the_session(
    receiver: WebhookReceiver, sender: HttpSender, status: int
) -> None:
    receiver.status = status
    with pytest.raises(NotAllowedError):
        await check(authorizer(receiver.url, sender))


@pytest.mark.parametrize("status", [302, 500, 503])
async def test_any_other_answer_creates_no_session(
    receiver: WebhookReceiver, sender: HttpSender, status: int
) -> None:
    receiver.status = status
    with pytest.raises(AuthorizationUnavailableError):
        await check(authorizer(receiver.url, sender))


async def test_no_answer_in_time_creates_no_session(
    receiver: WebhookReceiver, sender: HttpSender
) -> None:
    receiver.go_on.clear()
    with pytest.raises(AuthorizationUnavailableError):
        await check(authorizer(receiver.url, sender, timeout_seconds=0.1))
    receiver.stop()
    with pytest.raises(AuthorizationUnavailableError):
        await check(authorizer(receiver.url, sender))


async def test_without_the_setting_every_session_is_created(sender: HttpSender) -> None:
    await check(authorizer("", sender))
    assert sender._session is None
