"""A receipt is made of the manifest and the digests, and signed if there is a key."""

from datetime import UTC, datetime

import pytest

from storage import receipt
from storage.checkpoint import Checkpoint
from storage.digests import SessionDigests
from storage.receipt_issuer import ReceiptIssuer, unsigned
from storage.receipt_key import ReceiptKey, is_signed_by
from tests.audio import pcm
from tests.storage.conftest import new_manifest

KEY = ReceiptKey(bytes(range(32)))


def digests_of(data: bytes) -> SessionDigests:
    digests = SessionDigests(lambda *_: b"")
    digests.add(data)
    return digests


MANIFEST = new_manifest().completed(Checkpoint(3, 200), datetime(2026, 1, 2, tzinfo=UTC))


def test_a_receipt_has_the_counts_of_the_manifest_and_a_signature() -> None:
    issuer = ReceiptIssuer("sercuescribe 1", lambda: KEY)
    found = issuer.with_receipt(MANIFEST, digests_of(pcm(100))).receipt
    assert found is not None
    assert (found.chunk_count, found.frames, found.audio.bytes) == (3, 100, 200)
    assert found.completed_at == "2026-01-02T00:00:00Z"
    assert found.kid == KEY.kid
    signature = bytes.fromhex(str(found.signature))
    assert is_signed_by(KEY.public, signature, receipt.canonical(found))


def test_a_key_that_cannot_be_read_prevents_no_completion(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def damaged() -> ReceiptKey:
        raise ValueError("a key has 64 hexadecimal digits")

    issuer = ReceiptIssuer("sercuescribe 1", damaged)
    found = issuer.with_receipt(MANIFEST, digests_of(pcm(100))).receipt
    assert found is not None
    assert found.signature is None
    assert "the receipt is not signed" in caplog.text


def test_without_a_key_a_receipt_has_no_signature() -> None:
    found = unsigned("sercuescribe 1").with_receipt(MANIFEST, digests_of(b"")).receipt
    assert found is not None
    assert (found.kid, found.signature) == (None, None)
