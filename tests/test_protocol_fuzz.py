"""Whatever clients send, they are told, and nobody else is worse off.

``python -m tests.protocol_fuzz EXAMPLES`` does the same for longer.
"""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings

from tests.protocol_fuzz.conversation import DOCUMENTED
from tests.protocol_fuzz.properties import (
    CONVERSATIONS,
    HANDSHAKES,
    SERVICE,
    answers_a_handshake,
    survives,
)
from tests.protocol_fuzz.steps import Step
from tests.service import Service

_REPEATABLE = settings(derandomize=True, deadline=None, database=None)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("recordings"), **SERVICE).start()
    yield service
    assert service.stop() == 0


def test_the_codes_that_break_the_rules_of_websockets_are_documented() -> None:
    assert {1000, 1002, 1007, 1009} <= DOCUMENTED


@settings(_REPEATABLE, max_examples=150)
@given(CONVERSATIONS)
def test_every_message_is_answered_or_the_connection_closed_for_a_documented_reason(
    service: Service, conversation: tuple[str, list[Step]]
) -> None:
    survives(service, *conversation)


@settings(_REPEATABLE, max_examples=150)
@given(HANDSHAKES)
def test_every_handshake_is_answered(service: Service, handshake: bytes) -> None:
    answers_a_handshake(service, handshake)
