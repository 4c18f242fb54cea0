"""The details of a session: changing them, and their object."""

import json

import pytest

from storage import details
from storage.details import DetailChanges, Details
from storage.errors import BadObjectError
from tests.damage import damaged

DETAILS = Details(title="Zoë", metadata={"project": "radio", "room": "2"})


def test_a_change_replaces_the_fields_that_it_has_and_keeps_the_others() -> None:
    assert DetailChanges().apply_to(DETAILS) == DETAILS
    assert DetailChanges(title=None).apply_to(DETAILS) == Details(metadata=DETAILS.metadata)
    assert DetailChanges(metadata={"room": "3"}).apply_to(DETAILS) == Details(
        title="Zoë", metadata={"room": "3"}
    )


def test_every_detail_can_be_changed() -> None:
    assert DetailChanges.__struct_fields__ == Details.__struct_fields__


def test_details_are_decoded_as_they_were_encoded() -> None:
    for each in (DETAILS, Details()):
        assert details.decode(details.encode(each), "x.meta.json") == each


def test_damaged_bytes_are_details_or_a_bad_object() -> None:
    for data in damaged(details.encode(DETAILS)):
        try:
            found = details.decode(data, "x.meta.json")
        except BadObjectError:
            continue
        assert all(isinstance(value, str) for value in found.metadata.values())


def test_details_of_a_newer_release_are_a_bad_object() -> None:
    newer = json.loads(details.encode(DETAILS)) | {"version": 2}
    with pytest.raises(BadObjectError, match="details of version 2: this release reads up to 1"):
        details.decode(json.dumps(newer).encode(), "x.meta.json")
