"""Fixtures: a volume with an outbox, and receivers."""

from collections.abc import AsyncIterator, Iterator

import pytest

from api.events.sender import HttpSender
from tests.webhook_receiver import WebhookReceiver, webhook_receiver


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with webhook_receiver() as receiver:
        yield receiver


@pytest.fixture
async def sender() -> AsyncIterator[HttpSender]:
    sender = HttpSender()
    yield sender
    await sender.close()
