"""The error classes of the client, one for each code."""

import pytest

from api.wire import errors as server
from sercuescribe_client.errors import (
    InvalidParameterError,
    SercueScribeError,
    SessionNotFoundError,
    error_from_code,
    error_from_json,
)

CODES = {row.code for row in (*server.TABLE.values(), server.INTERNAL)} - {"invalid_{parameter}"}
OWN = {"invalid_parameter", "gave_up", "chunks_lost", "session_shared"}
OWN |= {"unreachable", "host_not_found"}


def test_every_code_of_the_service_has_a_class() -> None:
    assert set(SercueScribeError.class_by_code) == CODES | OWN


@pytest.mark.parametrize("row", server.TABLE.values(), ids=lambda row: str(row.code))
def test_an_error_is_final_if_its_close_code_is_final(row: server.WireError) -> None:
    code = row.code.format(parameter="format")
    stays_open = code == "decode_failed"
    assert error_from_code(code, "").is_final == (
        row.close_code in {1008, 1009, 4103} and not stays_open
    )


def test_an_error_from_json_has_the_class_and_the_text_of_its_code() -> None:
    error = error_from_code("session_not_found", "Session not found", "an-id")
    assert isinstance(error, SessionNotFoundError)
    assert (error.code, str(error), error.session_id) == (
        "session_not_found",
        "Session not found",
        "an-id",
    )


def test_an_invalid_parameter_error_lists_the_valid_values() -> None:
    told = {"code": "invalid_channels", "error": "Invalid channels", "valid_values": [1, 2]}
    error = error_from_json(told)
    assert isinstance(error, InvalidParameterError)
    assert str(error) == "Invalid channels (valid: 1, 2)"


def test_an_unknown_code_gives_a_plain_error() -> None:
    assert type(error_from_code("brand_new", "")) is SercueScribeError
