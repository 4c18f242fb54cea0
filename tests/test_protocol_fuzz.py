"""Every message of a client is answered, and no client affects other sessions.

``python -m tests.protocol_fuzz EXAMPLES`` does the same for longer.
"""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings

from tests.protocol_fuzz.conversation import DOCUMENTED_CLOSE_CODES
from tests.protocol_fuzz.properties import (
    CONVERSATIONS,
    HANDSHAKES,
    SERVICE_SETTINGS,
    check_conversation,
    check_handshake,
)
from tests.protocol_fuzz.steps import Step
from tests.service import Service

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("recordings"), **SERVICE_SETTINGS).start()
    yield service
    assert service.stop() == 0


def test_the_close_codes_for_websocket_violations_are_documented() -> None:
    assert {1000, 1002, 1007, 1009} <= DOCUMENTED_CLOSE_CODES


@settings(max_examples=150)
@given(CONVERSATIONS)
def test_every_message_is_answered_or_closes_with_a_documented_code(
    service: Service, conversation: tuple[str, list[Step]]
) -> None:
    check_conversation(service, *conversation)


@settings(max_examples=150)
@given(HANDSHAKES)
def test_every_handshake_is_answered(service: Service, handshake: bytes) -> None:
    check_handshake(service, handshake)
