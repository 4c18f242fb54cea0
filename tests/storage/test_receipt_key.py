"""Keys sign and are named by their public half."""

import hashlib

import pytest

from storage.receipt_key import ReceiptKey, is_signed_by, parse_key

# RFC 8032, section 7.1, test 1
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")


def test_a_key_signs_as_rfc_8032_says() -> None:
    key = ReceiptKey(SEED)
    assert key.public == PUBLIC
    assert key.kid == hashlib.sha256(PUBLIC).hexdigest()
    assert key.sign(b"").hex().startswith("e5564300c360ac729086e2cc806e828a")


def test_only_the_signature_of_the_same_bytes_counts() -> None:
    signature = ReceiptKey(SEED).sign(b"receipt")
    assert is_signed_by(PUBLIC, signature, b"receipt")
    assert not is_signed_by(PUBLIC, signature, b"Receipt")
    assert not is_signed_by(SEED, signature, b"receipt")
    assert not is_signed_by(PUBLIC, b"short", b"receipt")


@pytest.mark.parametrize("text", ["", "00", "zz" * 32, "00" * 33])
def test_other_texts_are_no_keys(text: str) -> None:
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        parse_key(text)
