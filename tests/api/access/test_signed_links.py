"""A signed link is valid for one file until it expires."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from api.access.signed_links import LinkSigner, lifetime_seconds
from api.access.signing import SigningKeys
from api.wire.errors import InvalidSignatureError, UrlExpiredError

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
PATH = "/api/audio/sessions/x/audio"


def parts(signer: LinkSigner) -> tuple[str, str, str]:
    url = urlsplit(signer.link("https://rec.example.org", PATH, 60, NOW).url)
    query = parse_qs(url.query)
    return url.path, query["expires"][0], query["signature"][0]


def keys(*secrets: bytes) -> SigningKeys:
    return SigningKeys(lambda: secrets)


@pytest.fixture
def signer() -> LinkSigner:
    return LinkSigner(keys(b"secret"))


def test_a_link_is_valid_until_it_expires(signer: LinkSigner) -> None:
    assert signer.link("", PATH, 60, NOW).expires_at == NOW + timedelta(seconds=60)
    signer.check(*parts(signer), NOW + timedelta(seconds=59))
    with pytest.raises(UrlExpiredError):
        signer.check(*parts(signer), NOW + timedelta(seconds=60))


def test_a_link_ends_no_later_than_what_it_was_made_with() -> None:
    assert lifetime_seconds(60, NOW) == 60
    assert lifetime_seconds(60, NOW, None) == 60
    assert lifetime_seconds(60, NOW, None, NOW + timedelta(seconds=59.9)) == 59
    assert lifetime_seconds(60, NOW, NOW + timedelta(days=1)) == 60
    assert lifetime_seconds(60, NOW, NOW - timedelta(seconds=5)) == 1


@pytest.mark.parametrize("altered", [0, 1, 2])
def test_an_altered_link_is_refused(signer: LinkSigner, altered: int) -> None:
    changed = list(parts(signer))
    last = changed[altered][-1]
    changed[altered] = changed[altered][:-1] + ("1" if last != "1" else "2")
    path, expires, signature = changed
    with pytest.raises(InvalidSignatureError):
        signer.check(path, expires, signature, NOW)


def test_a_link_signed_with_another_secret_is_refused(signer: LinkSigner) -> None:
    with pytest.raises(InvalidSignatureError):
        LinkSigner(keys(b"other")).check(*parts(signer), NOW)


@pytest.mark.parametrize("signature", ["", "é", "0" * 64])
def test_text_that_is_not_a_signature_is_refused(signer: LinkSigner, signature: str) -> None:
    path, expires, _ = parts(signer)
    with pytest.raises(InvalidSignatureError):
        signer.check(path, expires, signature, NOW)
