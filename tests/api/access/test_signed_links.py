"""Links that work for one file until their time is over."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from api.access.signed_links import LinkSigner
from api.access.signing import SigningKeys, stored_secret
from api.wire.errors import InvalidSignatureError, UrlExpiredError

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
PATH = "/api/audio/sessions/x/audio"


def parts(signer: LinkSigner) -> tuple[str, str, str]:
    url = urlsplit(signer.link("https://rec.example.org", PATH, NOW).url)
    query = parse_qs(url.query)
    return url.path, query["expires"][0], query["signature"][0]


def keys(*secrets: bytes) -> SigningKeys:
    return SigningKeys(lambda: secrets)


@pytest.fixture
def signer() -> LinkSigner:
    return LinkSigner(keys(b"secret"), ttl_seconds=60)


def test_a_link_works_until_it_says(signer: LinkSigner) -> None:
    assert signer.link("", PATH, NOW).expires_at == NOW + timedelta(seconds=60)
    signer.check(*parts(signer), NOW + timedelta(seconds=59))
    with pytest.raises(UrlExpiredError):
        signer.check(*parts(signer), NOW + timedelta(seconds=60))


@pytest.mark.parametrize("bent", [0, 1, 2])
def test_a_bent_link_does_not_work(signer: LinkSigner, bent: int) -> None:
    changed = list(parts(signer))
    changed[bent] = changed[bent][:-1] + ("1" if changed[bent][-1] != "1" else "2")
    path, expires, signature = changed
    with pytest.raises(InvalidSignatureError):
        signer.check(path, expires, signature, NOW)


def test_another_secret_makes_other_links(signer: LinkSigner) -> None:
    with pytest.raises(InvalidSignatureError):
        LinkSigner(keys(b"other"), ttl_seconds=60).check(*parts(signer), NOW)


@pytest.mark.parametrize("signature", ["", "é", "0" * 64])
def test_what_is_no_signature_is_refused(signer: LinkSigner, signature: str) -> None:
    path, expires, _ = parts(signer)
    with pytest.raises(InvalidSignatureError):
        signer.check(path, expires, signature, NOW)


def test_a_kept_secret_stays_the_same_and_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "secret"
    assert stored_secret(path) == stored_secret(path)
    assert len(stored_secret(path)) == 64
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]
