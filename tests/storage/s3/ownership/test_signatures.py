"""A signature is for one node, one address and one time."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from storage.s3.ownership.presence import Presence
from storage.s3.ownership.signatures import Signatures

ONE, TWO = b"1" * 32, b"2" * 32
NODE, OTHER = "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b", "019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1c"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def presence_signed_with(*keys: bytes) -> Presence:
    signature = Signatures(keys).sign(NODE, "http://10.0.0.7:8000", NOW)
    return Presence("http://10.0.0.7:8000", NOW, signature)


def test_a_signature_is_valid_with_the_key_or_the_previous_key() -> None:
    presence = presence_signed_with(ONE)
    assert Signatures((ONE,)).are_valid(NODE, presence)
    assert Signatures((TWO, ONE)).are_valid(NODE, presence)
    assert not Signatures((TWO,)).are_valid(NODE, presence)


def test_a_signature_is_for_one_node_one_address_and_one_time() -> None:
    presence, signatures = presence_signed_with(ONE), Signatures((ONE,))
    assert not signatures.are_valid(OTHER, presence)
    for altered in ({"address": "http://evil.example"}, {"expires_at": NOW + timedelta(1)}):
        assert not signatures.are_valid(NODE, msgspec.structs.replace(presence, **altered))


@pytest.mark.parametrize("signature", ["", "\xff", "0" * 64])
def test_other_text_is_no_signature(signature: str) -> None:
    presence = msgspec.structs.replace(presence_signed_with(ONE), signature=signature)
    assert not Signatures((ONE,)).are_valid(NODE, presence)


def test_without_a_key_nothing_is_signed_and_nothing_is_valid() -> None:
    signatures = Signatures(())
    assert signatures.sign(NODE, "http://x", NOW) == ""
    assert not signatures.are_required
    assert not signatures.are_valid(NODE, presence_signed_with())
