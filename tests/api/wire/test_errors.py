"""The table that maps exceptions to wire errors."""

import inspect

import pytest

from api.wire import errors
from api.wire.errors import INTERNAL, TABLE, InvalidParameterError, ServiceError, to_wire_error
from storage import errors as storage_errors


def test_every_error_class_has_a_row_in_the_table() -> None:
    ours = {
        error
        for module in (errors, storage_errors)
        for _, error in inspect.getmembers(module, inspect.isclass)
        if issubclass(error, Exception)
    }
    not_told = {ServiceError, storage_errors.StorageError}
    assert ours - not_told == set(TABLE)


def test_an_unknown_exception_is_internal_and_reveals_nothing() -> None:
    assert to_wire_error(ValueError("a password")) == INTERNAL
    assert "password" not in INTERNAL.error


def test_an_invalid_parameter_has_a_code_of_its_own() -> None:
    row = to_wire_error(InvalidParameterError("sample_rate", (8000,)))
    assert (row.code, row.error) == ("invalid_sample_rate", "Invalid sample rate")


@pytest.mark.parametrize("row", TABLE.values(), ids=lambda row: row.code)
def test_every_row_has_allowed_http_and_close_codes(row: errors.WireError) -> None:
    assert row.http_status in {401, 403, 404, 408, 409, 413, 416, 421, 422, 429, 503}
    assert row.close_code in {1001, 1008, 1009, 1011, 1012, 1013, 4103}


def test_every_error_has_a_sentence_for_the_manual() -> None:
    first_lines = {error: (error.__dict__["__doc__"] or "").split("\n")[0] for error in TABLE}
    assert [error for error, line in first_lines.items() if not line] == []
