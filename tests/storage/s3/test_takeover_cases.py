"""Regression cases of the takeover model, step by step."""

from collections.abc import Iterator

import pytest

from tests.storage.s3.test_takeover_model import Fault, Takeovers


@pytest.fixture
def model() -> Iterator[Takeovers]:
    model = Takeovers()
    yield model
    model.teardown()


def test_a_session_completed_during_a_takeover_is_not_reopened(model: Takeovers) -> None:
    one, other = model.nodes
    model.append(0, 3)
    model.do(one, one.ship())
    model.do(other, other.take_over(), (1, Fault.STAYS))
    model.do(one, one.complete())
    model.go_on(other)
    assert other.recording is None
    model.history.must_be_complete()


@pytest.mark.parametrize("request_number", range(13))
def test_a_spool_is_discarded_after_another_node_has_written(
    model: Takeovers, request_number: int
) -> None:
    model.append(0, 3)
    model.die(0)
    one, other = model.nodes
    model.run(model.expire_leases())
    model.do(other, other.take_over())
    model.append(1, 1)
    model.do(other, other.ship())
    model.do(other, other.release())
    model.do(one, one.take_over(), (request_number, Fault.ANSWER_LOST))
    model.do(one, one.take_over())
    assert one.heard == model.history.stored()
