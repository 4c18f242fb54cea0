"""Messages and bodies as they are on the wire."""

import json

import msgspec
import pytest

from api.wire.messages import (
    ACTIONS,
    ChunkMessage,
    ControlMessage,
    ControlRequest,
    ErrorBody,
    ErrorMessage,
    ServerMessage,
    SessionCounts,
    SessionMessage,
    decode_control,
    encode,
)

COUNTS = SessionCounts("019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b", 3, 2, 1.5)
MESSAGES = [
    SessionMessage(message="m", status="active", sample_rate=8000, channels=1, format="wav"),
    ChunkMessage(message="m", status="active"),
    ControlMessage(message="m", status="active", action="flush"),
    ErrorMessage(message="m", status="error", error="e", code="c"),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_every_message_of_the_server_has_the_counts_of_its_session(message: ServerMessage) -> None:
    message = msgspec.structs.replace(message)
    COUNTS.apply_to(message)
    sent = json.loads(encode(message))
    assert next(iter(sent)) == "type"
    assert {name: sent[name] for name in COUNTS._fields} == COUNTS._asdict()
    assert {"message", "status"} < set(sent)


def test_a_field_without_a_value_is_left_out_of_an_error() -> None:
    assert "valid_values" not in json.loads(encode(MESSAGES[-1]))
    refused = ErrorMessage(message="m", status="error", error="e", code="c", valid_values=[1, 2])
    assert json.loads(encode(refused))["valid_values"] == [1, 2]
    assert json.loads(encode(ErrorBody(error="e", code="c"))) == {"error": "e", "code": "c"}


@pytest.mark.parametrize("action", ACTIONS)
def test_each_action_is_a_control_message(action: str) -> None:
    text = json.dumps({"type": "control", "action": action, "later": 1})
    assert decode_control(text) == ControlRequest(action)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    ['{"type": "control", "action": "stop"}', '{"type": "chunk"}', "{}", "{", "[]"],
)
def test_any_other_text_is_no_control_message(text: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_control(text)
