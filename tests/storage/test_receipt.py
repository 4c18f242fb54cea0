"""A receipt is signed over its canonical JSON."""

import hashlib
import json

import msgspec

from storage import receipt
from storage.receipt import Digested, Receipt
from storage.warning import SessionWarning

RECEIPT = Receipt(
    session_id="019aa1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b",
    software="sercuescribe 1",
    created_at="2026-01-01T00:00:00Z",
    completed_at="2026-01-01T00:01:00Z",
    sample_rate=16000,
    channels=1,
    chunk_count=3,
    frames=10,
    audio=Digested(bytes=20, digest="0" * 64),
    warnings=(SessionWarning(code="decode_failed", message='Ü "\n\u20ac </>\x7f'),),
    warning_count=1,
)


def test_the_signed_bytes_are_canonical_json_without_the_signature() -> None:
    """RFC 8785: keys sorted, no white space, only what must be escaped is."""
    found = receipt.canonical(msgspec.structs.replace(RECEIPT, signature="0" * 128))
    assert found == receipt.canonical(RECEIPT)
    assert b'"message":"\xc3\x9c \\"\\n\xe2\x82\xac </>\x7f"' in found
    fields = json.loads(found)
    assert list(fields) == sorted(fields)
    assert "signature" not in fields
    assert b": " not in found.replace(b"\\n\xe2\x82\xac </>", b"")


def test_the_numbers_of_a_receipt_are_integers() -> None:
    def numbers(value: object) -> list[object]:
        if isinstance(value, dict):
            return [each for inner in value.values() for each in numbers(inner)]
        if isinstance(value, (list, tuple)):
            return [each for inner in value for each in numbers(inner)]
        return [value] if isinstance(value, (int, float)) else []

    assert all(isinstance(each, int) for each in numbers(msgspec.to_builtins(RECEIPT)))


def test_the_digest_is_that_of_the_signed_bytes() -> None:
    assert receipt.digest(RECEIPT) == hashlib.sha256(receipt.canonical(RECEIPT)).hexdigest()
