"""One class for each code."""

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
OWN = {"invalid_parameter", "unreachable", "gave_up", "chunks_lost", "session_shared"}


def test_every_code_of_the_service_has_its_class() -> None:
    assert set(SercueScribeError.class_by_code) == CODES | OWN


@pytest.mark.parametrize("row", server.TABLE.values(), ids=lambda row: str(row.code))
def test_an_error_is_final_where_its_close_code_is(row: server.WireError) -> None:
    code = row.code.format(parameter="format")
    stays_open = code == "decode_failed"
    assert error_from_code(code, "").is_final == (
        row.close_code in {1008, 1009, 4103} and not stays_open
    )


def test_an_error_is_found_by_its_code_and_carries_what_was_told() -> None:
    error = error_from_code("session_not_found", "Session not found", "an-id")
    assert isinstance(error, SessionNotFoundError)
    assert (error.code, str(error), error.session_id) == (
        "session_not_found",
        "Session not found",
        "an-id",
    )


def test_what_is_valid_is_told_with_a_parameter_that_is_not() -> None:
    told = {"code": "invalid_channels", "error": "Invalid channels", "valid_values": [1, 2]}
    error = error_from_json(told)
    assert isinstance(error, InvalidParameterError)
    assert str(error) == "Invalid channels (valid: 1, 2)"


def test_a_code_of_a_later_service_is_an_error_too() -> None:
    assert type(error_from_code("brand_new", "")) is SercueScribeError
