"""Stories of the takeover model that once ended badly, told step by step."""

from collections.abc import Iterator

import pytest

from tests.storage.s3.model_node import LEASE_SECONDS
from tests.storage.s3.test_takeover_model import Takeovers, Trouble


@pytest.fixture
def story() -> Iterator[Takeovers]:
    story = Takeovers()
    yield story
    story.teardown()


def test_a_session_completed_while_it_is_taken_up_is_not_begun_again(story: Takeovers) -> None:
    one, other = story.nodes
    story.append(0, 3)
    story.do(one, one.ship())
    story.do(other, other.take_up(), (1, Trouble.STAYS))
    story.do(one, one.complete())
    story.go_on(other)
    assert other.recording is None
    story.history.must_be_complete()


@pytest.mark.parametrize("request_number", range(13))
def test_a_spool_that_another_node_has_written_behind_is_never_trusted(
    story: Takeovers, request_number: int
) -> None:
    story.append(0, 3)
    story.die(0)
    one, other = story.nodes
    story.clock.seconds += LEASE_SECONDS + 1
    story.do(other, other.take_up())
    story.append(1, 1)
    story.do(other, other.ship())
    story.do(other, other.let_go())
    story.do(one, one.take_up(), (request_number, Trouble.ANSWER_LOST))
    story.do(one, one.take_up())
    assert one.heard == story.history.stored()
