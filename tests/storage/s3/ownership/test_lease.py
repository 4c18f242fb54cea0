"""What an epoch's object says of its owner."""

import contextlib
from uuid import uuid4

import msgspec
import pytest

from storage.errors import BadObjectError
from storage.s3.ownership.lease import Owner, decode_owner
from tests.damage import damaged


@pytest.mark.parametrize("is_released", [True, False])
def test_damaged_bytes_are_an_owner_or_a_bad_object(is_released: bool) -> None:
    owner = Owner(str(uuid4()), is_released=is_released)
    for data in damaged(msgspec.json.encode(owner)):
        with contextlib.suppress(BadObjectError):
            assert len(decode_owner("key", data).node_id) == len(owner.node_id)


@pytest.mark.parametrize("node_id", ["", "evil", "../x", 5, None])
def test_an_owner_that_is_no_node_is_a_bad_object(node_id: object) -> None:
    with pytest.raises(BadObjectError, match="key does not name the owner"):
        decode_owner("key", msgspec.json.encode({"node_id": node_id}))
