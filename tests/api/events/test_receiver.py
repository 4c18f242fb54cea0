"""A receiver gets signed messages; one that fails gets a pause, one that is gone no more."""

import logging
from datetime import UTC, datetime

import pytest
import uuid_utils.compat

from api.clock import SystemClock
from api.events.endpoint import read_endpoints
from api.events.entry import new_entry
from api.events.receiver import Receiver
from api.events.sender import HttpSender
from api.observe.tracing import Tracing
from tests.conftest import ManualClock
from tests.webhook_receiver import SECRET, WebhookReceiver

EVENT = new_entry("session.created", str(uuid_utils.compat.uuid7()), datetime.now(UTC))
BODY = b'{"type":"session.created","data":{"session_id":"an id"}}'


class Clock(ManualClock):
    """A clock whose monotonic time the test advances; receivers check the real time."""

    now = staticmethod(SystemClock().now)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def receiver_of(url: str, sender: HttpSender, clock: Clock) -> Receiver:
    (endpoint,) = read_endpoints(url, SECRET, "")
    return Receiver(endpoint, sender, clock, Tracing(), timeout_seconds=10, pause_seconds=30)


async def test_a_message_has_an_id_and_the_time_of_the_attempt(
    receiver: WebhookReceiver, sender: HttpSender, clock: Clock
) -> None:
    answer = await receiver_of(receiver.url, sender, clock).deliver(EVENT, BODY)
    assert answer.result == "delivered"
    assert [each.id for each in receiver.requests] == [EVENT.name]


async def test_after_five_failures_in_a_row_there_is_a_pause_then_one_more_attempt(
    receiver: WebhookReceiver, sender: HttpSender, clock: Clock
) -> None:
    target = receiver_of(receiver.url, sender, clock)
    receiver.status = 500
    results = [(await target.deliver(EVENT, BODY)).result for _ in range(7)]
    assert results == ["refused"] * 5 + ["paused"] * 2
    assert (len(receiver.requests), target.is_failing) == (5, True)
    clock.seconds += 29
    assert (await target.deliver(EVENT, BODY)).retry_after_seconds == pytest.approx(1)
    clock.seconds += 2
    receiver.status = 200
    assert (await target.deliver(EVENT, BODY)).result == "delivered"
    assert not target.is_failing


async def test_a_receiver_that_answers_410_is_disabled(
    receiver: WebhookReceiver,
    sender: HttpSender,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    target = receiver_of(receiver.url, sender, clock)
    receiver.status = 410
    with caplog.at_level(logging.WARNING):
        await target.deliver(EVENT, BODY)
    assert target.is_disabled
    assert "Webhooks disabled" in caplog.text
    assert "hidden" not in caplog.text  # the URL has a secret
